"""The VIP is taken from its holder by someone who is not keepalived."""

from __future__ import annotations

from ipaddress import IPv4Interface

from lvslab.faults.model import Fault, Operation, Part, Target
from lvslab.faults.nodefiles import announce, announced_anew, no_vip, own_instances, own_vips


def _elsewhere(target: Target) -> list[Part]:
    """Have the directors say anew who has the VIP, once a third speaker has been silenced."""
    return [] if target.role == "director" else announced_anew(target)


def _nothing_to_steal(target: Target) -> str | None:
    if target.role == "director":
        return None if own_instances(target) else "it takes part in no VRRP instance"
    return no_vip(target)


def _vips(target: Target) -> list[IPv4Interface]:
    return list(dict.fromkeys(vip for i in own_instances(target) for vip in i.vips))


def _inject(target: Target) -> list[Operation]:
    dev = target.interface
    if target.role == "director":
        return [
            # One that it does not hold is no mistake.
            {
                "op": "address",
                "address": str(vip.ip),
                "prefix": vip.network.prefixlen,
                "dev": dev,
                "present": False,
            }
            for vip in _vips(target)
        ]
    return [
        op
        for vip in own_vips(target)
        for op in (
            {"op": "address", "address": vip, "dev": dev, "present": True},
            announce(vip, dev),
        )
    ]


def _heal(target: Target) -> list[Operation]:
    # A director's keepalived sees its address go, and sees to it itself: put back by someone
    # else it would be in two nodes, where another has taken it meanwhile.
    if target.role == "director":
        return []
    return [
        {"op": "address", "address": vip, "dev": target.interface, "present": False}
        for vip in own_vips(target)
    ]


FAULT = Fault(
    name="vip-steal",
    summary="delete the VIP from a director, or let a real server claim it",
    expect={
        "director": (
            "Somebody runs 'ip addr del'. keepalived hears of it by netlink and has to notice "
            "that it is master without its address."
        ),
        "real-server": (
            "It has the VIP on its interface now and says so with gratuitous ARP: the client "
            "sends there, past every director, and that one real server answers everything. "
            "VRRP notices nothing, because no director has lost anything."
        ),
    },
    inject=_inject,
    heal=_heal,
    elsewhere=_elsewhere,
    refuses=_nothing_to_steal,
    lesson={
        "real-server": (
            "ARP believes whoever spoke last. A third speaker of the VIP is not seen in any "
            "table of a director: only on the wire."
        ),
    },
)
