"""The gratuitous ARP of a director is lost on its way out."""

from __future__ import annotations

from lvslab.faults.model import Fault, Operation, Target
from lvslab.faults.nodefiles import drop, drop_no_more

_TABLE = "lvslab_garp"


def _inject(target: Target) -> list[Operation]:
    # Gratuitous: sender and target are the same address (RFC 5227 section 1.1).
    rules = [f"arp saddr ip {vip} arp daddr ip {vip}" for vip in target.lab.vips]
    return [drop(_TABLE, target.interface, (), tuple(rules))]


def _heal(target: Target) -> list[Operation]:
    del target
    return [drop_no_more(_TABLE)]


FAULT = Fault(
    name="garp-lost",
    summary="drop the gratuitous ARP that the director sends",
    expect={
        "director": (
            "Nothing, until it becomes master: then the VIP has moved and nobody was told. The "
            "client goes on sending to the MAC address of the old master until its own ARP entry "
            "is asked for again, or, when this is healed, until keepalived sends its second set "
            "after garp_master_delay (5 s)."
        ),
    },
    inject=_inject,
    heal=_heal,
    effect={"director": "nothing"},
    lesson={
        "director": (
            "VRRP moves an address, and gratuitous ARP moves the traffic. A switch or a filter "
            "that drops it makes every failover as long as the client's ARP entry lives."
        ),
    },
)
