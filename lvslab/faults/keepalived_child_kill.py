"""One of keepalived's two working processes is killed; its parent starts another."""

from __future__ import annotations

from typing import Literal

from lvslab.faults.model import Fault, Operation, Params, Target


class ChildKill(Params):
    """Which of the two."""

    child: Literal["vrrp", "checkers"] = "vrrp"
    """Which process: the one that speaks VRRP, or the one that checks real servers."""


def _inject(target: Target) -> list[Operation]:
    return [
        {"op": "kill", "name": "keepalived", "signal": "KILL", "who": target.given(ChildKill).child}
    ]


def _heal(target: Target) -> list[Operation]:
    del target
    return [{"op": "service-start", "name": "keepalived"}]


FAULT = Fault(
    name="keepalived-child-kill",
    summary="kill -9 keepalived's VRRP process, or its checkers, alone",
    expect={
        "director": (
            "The parent sees its child die and starts another at once. A new VRRP process begins "
            "as a backup and removes the VIP that it finds: an outage, until its own or another "
            "director's master-down timer has run out; with preemption the VIP comes back by "
            "itself. No advert of priority 0 was sent. The checkers' death moves no VIP."
        ),
    },
    inject=_inject,
    heal=_heal,
    params=ChildKill,
    lesson={
        "director": (
            "keepalived is a parent with two children, and only the death of the parent ends it. "
            "With --dont-respawn the parent would end when a child does."
        ),
    },
)
