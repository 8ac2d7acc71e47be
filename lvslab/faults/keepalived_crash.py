"""All of keepalived dies at once and cleans nothing up, as after a fault in its code."""

from __future__ import annotations

from lvslab.faults.model import Fault, Operation, Target


def _inject(target: Target) -> list[Operation]:
    del target
    # The parent is stopped first: left running it would respawn the children, and killed
    # first it would have them clean up.
    return [{"op": "kill", "name": "keepalived", "signal": "KILL", "who": "all-no-cleanup"}]


def _heal(target: Target) -> list[Operation]:
    del target
    return [{"op": "service-start", "name": "keepalived"}]


FAULT = Fault(
    name="keepalived-crash",
    summary="kill -9 every keepalived process, with no clean-up",
    expect={
        "director": (
            "Nobody removes anything: the VIP and the IPVS table stay in the dead director's "
            "kernel, which goes on forwarding. The backup hears no more adverts, takes the VIP "
            "too after its master-down timer, and its gratuitous ARP moves the client. Two "
            "directors hold the VIP, and the client hardly notices."
        ),
    },
    inject=_inject,
    heal=_heal,
    effect={"director": "forwarding"},
    lesson={
        "director": (
            "No outage is not all well: both directors hold the VIP. The dead one's kernel still "
            "answers ARP for it and forwards by a table that no check updates any more, until "
            "someone removes the address or starts keepalived again."
        ),
    },
)
