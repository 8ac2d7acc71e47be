"""keepalived is asked to end (SIGTERM): the graceful stop of a maintenance."""

from __future__ import annotations

from lvslab.faults.model import Fault, Operation, Target


def _inject(target: Target) -> list[Operation]:
    del target
    return [{"op": "service-stop", "name": "keepalived"}]


def _heal(target: Target) -> list[Operation]:
    del target
    return [{"op": "service-start", "name": "keepalived"}]


FAULT = Fault(
    name="keepalived-stop",
    summary="stop keepalived with SIGTERM",
    expect={
        "director": (
            "keepalived says goodbye: an advert of priority 0, and it removes the VIP. The backup "
            "need not wait for the master-down timer, only for its own skew time."
        ),
    },
    inject=_inject,
    heal=_heal,
    effect={"director": "graceful"},
    lesson={
        "director": (
            "The priority-0 advert is why a planned stop costs a fraction of a failure: only the "
            "skew time, (256 - priority) / 256 of a second (VRRPv2) or of an advert (VRRPv3)."
        ),
    },
)
