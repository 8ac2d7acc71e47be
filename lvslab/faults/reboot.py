"""The node's power is cut, and it boots again by itself."""

from __future__ import annotations

from pydantic import Field

from lvslab.faults.model import Fault, Operation, Params, Target, nothing


class Reboot(Params):
    """How long it is gone."""

    down: float = Field(default=5.0, ge=2, le=600)
    """Seconds from the end of its power until it boots."""


def _inject(target: Target) -> list[Operation]:
    del target
    return [{"op": "power-off"}]


def _down(target: Target) -> float:
    return target.given(Reboot).down


FAULT = Fault(
    name="reboot",
    summary="cut the node's power and let it boot again by itself",
    expect={
        "director": (
            "As power-off: the client waits until the backup's master-down timer has run out. "
            "Back, it begins with an empty table and as a backup, and takes the VIP when its own "
            "timer has run out, if it may preempt, whether or not a check has passed by then."
        ),
        "real-server": (
            "As power-off: its share of the requests fails until the checks have removed it. "
            "Back, its kernel refuses connections until httpd runs, and the checks bring it in."
        ),
    },
    inject=_inject,
    # Booting is the heal, and nothing of before is put back.
    heal=nothing,
    params=Reboot,
    effect={"director": "silent", "real-server": "unreachable"},
    engine_heal=True,
    returns=_down,
    lesson={
        "director": (
            "What counts is not how long the boot takes but what the node does once it is there: "
            "preempt_delay gives its checks the time to fill the table."
        ),
    },
)
