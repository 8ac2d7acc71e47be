"""What the node sends is delayed, lost, doubled, reordered or squeezed (tc netem)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lvslab.faults.model import Fault, Operation, Params, Target
from lvslab.faults.nodefiles import no_queue, queue_of, tc


class Netem(Params):
    """What becomes of packets; at least one of them has to be said."""

    delay: float = Field(default=0.0, ge=0, le=60000)
    """Milliseconds that each packet is held back."""
    jitter: float = Field(default=0.0, ge=0, le=60000)
    """Milliseconds by which the delay varies, more or less."""
    loss: float = Field(default=0.0, ge=0, le=100)
    """Percent of packets that are lost, each for itself."""
    duplicate: float = Field(default=0.0, ge=0, le=100)
    """Percent of packets that are sent twice."""
    reorder: float = Field(default=0.0, ge=0, le=100)
    """Percent of packets that overtake the others; needs a delay."""
    rate: float = Field(default=0.0, ge=0, le=1e7)
    """Kilobit a second, at most; 0: as fast as it goes."""
    only: Literal["all", "vrrp"] = "all"
    """Every packet that the node sends, or its adverts alone."""

    @model_validator(mode="after")
    def _something(self) -> Netem:
        if (self.jitter or self.reorder) and not self.delay:
            raise ValueError("jitter and reorder are of a delay: say delay, too")
        if self.model_fields_set and not self.words():
            raise ValueError("nothing is asked of it: say delay, loss, duplicate or rate")
        return self

    def words(self) -> list[str]:
        """Return netem's arguments (tc-netem(8))."""
        words = ["delay", f"{self.delay:g}ms", f"{self.jitter:g}ms"] if self.delay else []
        for name in ("loss", "duplicate", "reorder"):
            if percent := getattr(self, name):
                words += [name, f"{percent:g}%"]
        return [*words, "rate", f"{self.rate:g}kbit"] if self.rate else words


def _nothing(target: Target) -> str | None:
    given = target.given(Netem)
    if not given.words():
        return "nothing is asked of it: say delay, loss, duplicate or rate with -p"
    if given.only == "vrrp" and target.role != "director":
        return "a real server sends no adverts"
    return None


def _inject(target: Target) -> list[Operation]:
    given = target.given(Netem)
    netem = ["netem", *given.words()]
    if given.only == "all":
        return [tc(target, "qdisc", "add", "root", *netem)]
    match = ["protocol", "ip", "u32", "match", "ip", "protocol", "112", "0xff"]
    return queue_of(target, netem, match)


FAULT = Fault(
    name="netem",
    summary="delay, lose, double, reorder or squeeze what the node sends",
    expect={
        "director": (
            "Of adverts that are lost with a chance p, three in a row have to be before the "
            "backup takes over for nothing: p^3 for each that was heard. A delay moves every "
            "advert alike, and changes nothing but the moment of a failover; jitter of more than "
            "the skew time does. A false failover ends with the next advert that is heard."
        ),
        "real-server": (
            "Its answers come late or not at all. TCP sends again after 0.2 s or more, so a loss "
            "looks like a few slow requests, until checks fail often enough in a row."
        ),
    },
    inject=_inject,
    heal=no_queue,
    params=Netem,
    refuses=_nothing,
    lesson={
        "director": (
            "Fast timers are paid for with false failovers: at p = 0.3 and ten adverts a second "
            "eleven a minute are to be expected, at one a second one."
        ),
    },
)
