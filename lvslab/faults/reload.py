"""keepalived reads its configuration again (SIGHUP); nothing in it has changed."""

from __future__ import annotations

from lvslab.faults.model import Fault, Operation, Target, nothing


def _inject(target: Target) -> list[Operation]:
    del target
    return [{"op": "service-reload", "name": "keepalived"}]


FAULT = Fault(
    name="reload",
    summary="reload keepalived (SIGHUP) with the same configuration",
    expect={
        "director": (
            "keepalived reads its files anew and keeps what did not change: the VIP stays, the "
            "virtual servers stay in the table. Its processes go on, so no advert is missed for "
            "three intervals and nobody takes over. There is nothing to heal."
        ),
    },
    inject=_inject,
    heal=nothing,
    effect={"director": "nothing"},
    lesson={
        "director": (
            "A reload is not a restart: a restart says goodbye with an advert of priority 0 and "
            "moves the VIP twice."
        ),
    },
)
