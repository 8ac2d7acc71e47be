"""The clock of the day is moved, as by an NTP client that found it wrong."""

from __future__ import annotations

from pydantic import Field

from lvslab.faults.model import Fault, Params, Part, Target, nothing
from lvslab.faults.outside import CLOCK, beside


class ClockStep(Params):
    """How far."""

    by: float = Field(default=3600.0, ge=-86400, le=86400)
    """Seconds; negative: back."""


def _parts(target: Target) -> list[Part]:
    by = target.given(ClockStep).by
    there, back = (
        beside(CLOCK, f"{step:.9f}", touches="clock", capabilities=("SYS_TIME",), machine=True)
        for step in (by, -by)
    )
    return [Part(target.name, [there], [back])]


_EXPECT = (
    "Nothing. Timers that must not be fooled run on the monotonic clock, which only goes on. All "
    "nodes share the machine, so they all see the step; only lvslab's own machine is stepped."
)

FAULT = Fault(
    name="clock-step",
    summary="move the machine's clock of the day",
    expect={
        "director": (
            f"{_EXPECT} keepalived's adverts and checks go on at their pace, and its log jumps."
        ),
        "real-server": f"{_EXPECT} httpd's log jumps.",
    },
    inject=nothing,
    heal=nothing,
    elsewhere=_parts,
    params=ClockStep,
    effect={"director": "nothing"},
    lesson={
        "director": (
            "An hour's step moved no timer. What does use the clock of the day is what people "
            "compare afterwards: two directors' logs, in the order of their time stamps."
        ),
    },
)
