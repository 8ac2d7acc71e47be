"""The node's interface goes down (``ip link set eth0 down``), as an operator would do it."""

from __future__ import annotations

from lvslab.faults.model import Fault, Operation, Target


def _inject(target: Target) -> list[Operation]:
    return [{"op": "link", "dev": target.interface, "up": False}]


def _heal(target: Target) -> list[Operation]:
    # The kernel drops the default route with the interface, and does not bring it back.
    return [{"op": "link", "dev": target.interface, "up": True}, {"op": "restore"}]


FAULT = Fault(
    name="link-down",
    summary="take the node's network interface down",
    expect={
        "director": (
            "No advert can leave any more. The backup waits until its master-down timer has run "
            "out (three advert intervals and its skew, counted from the last advert it heard), "
            "takes the VIP and announces it with gratuitous ARP. Nobody answers in between. "
            "On a backup the client sees nothing."
        ),
        "real-server": (
            "Its share of the requests goes into the void, without a refusal, until the checks "
            "of the director have failed often enough and it is removed from the table. A black "
            "hole takes longer to notice than a refused port: each check waits for its timeout."
        ),
    },
    inject=_inject,
    heal=_heal,
    effect={"director": "silent", "real-server": "unreachable"},
    default_for=frozenset({"director"}),
    link="outer",
    lesson={
        "director": (
            "While its own link is down the director's checks fail too, and it throws every real "
            "server out of its table. With preemption it takes the VIP back, once the link is up, "
            "while the table is still empty: a second outage, often longer than the first. "
            "preempt_delay, or state BACKUP with nopreempt, avoids it."
        ),
    },
)
