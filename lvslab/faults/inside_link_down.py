"""A director's interface in the inside network goes down: where the real servers of NAT are."""

from __future__ import annotations

from lvslab.faults.model import Fault, Operation, Target


def _interface() -> str:
    from lvslab.plan.render import INSIDE_INTERFACE

    return INSIDE_INTERFACE


def _inject(target: Target) -> list[Operation]:
    del target
    return [{"op": "link", "dev": _interface(), "up": False}]


def _heal(target: Target) -> list[Operation]:
    del target
    device = _interface()
    return [{"op": "link", "dev": device, "up": True}, {"op": "restore", "dev": device}]


def _one_network(target: Target) -> str | None:
    if target.lab.inside is not None:
        return None
    return "its lab has one network; one behind the directors comes with NAT"


FAULT = Fault(
    name="inside-link-down",
    summary="take a director's interface in the inside network down (NAT)",
    expect={
        "director": (
            "It still has the client's side, and could say that all is well. But keepalived tracks "
            "an interface that one of its addresses is on, here the real servers' gateway, and so "
            "the instance goes to FAULT and says goodbye over the network that is left. The backup "
            "takes VIP and gateway after its skew time. On a backup the client sees nothing."
        ),
    },
    inject=_inject,
    heal=_heal,
    effect={"director": "graceful"},
    link="inside",
    refuses=_one_network,
    lesson={
        "director": (
            "The checks leave by the default route meanwhile, out into the clients' network, and "
            "time out one after the other. Down for longer than all of them take, the table is "
            "empty when the link is back, and with preemption the VIP is taken back before a check "
            "has passed: the second outage, which NAT is spared when the outer link is lost. "
            "preempt_delay, or state BACKUP with nopreempt, avoids it."
        ),
    },
)
