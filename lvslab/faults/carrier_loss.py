"""The cable is pulled: the other end of the node's link goes down, and its carrier is lost."""

from __future__ import annotations

from lvslab.faults.model import Fault, Operation, Target
from lvslab.faults.outside import LINK, PEER, at_link


def _inject(target: Target) -> list[Operation]:
    return [at_link(target, LINK, PEER, "down", touches="carrier")]


def _heal(target: Target) -> list[Operation]:
    return [at_link(target, LINK, PEER, "up", touches="carrier")]


FAULT = Fault(
    name="carrier-loss",
    summary="pull the node's cable: the other end of its link goes down",
    expect={
        "director": (
            "The interface is still up, and has no carrier. keepalived hears of it by netlink, as "
            "it would of an interface that was taken down: it removes the VIP, goes to FAULT and "
            "can tell nobody. The backup waits until its master-down timer has run out. Unlike "
            "with link-down, addresses and routes stay in the kernel."
        ),
        "real-server": (
            "Its share of the requests goes into the void until the checks, each waiting for its "
            "timeout, have removed it."
        ),
    },
    inject=_inject,
    heal=_heal,
    effect={"director": "silent", "real-server": "unreachable"},
    lesson={
        "director": (
            "A switch that stays up while its uplink dies shows no loss of carrier: VRRP notices "
            "what its own interface shows, and nothing behind it. track_interface and a "
            "track_script that asks the gateway look further."
        ),
    },
)
