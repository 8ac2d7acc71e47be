"""Adverts, or everything, are dropped on their way to or from the node."""

from __future__ import annotations

import re
from typing import Literal

from lvslab.faults.model import Fault, Params, Part, Target, nothing
from lvslab.faults.nodefiles import drop, drop_no_more, netdev_table, no_table
from lvslab.faults.outside import NFT, PEER, RULES, at_link


class Partition(Params):
    """What is dropped, and where."""

    what: Literal["vrrp", "all"] = "vrrp"
    """Adverts only, or every packet (then with both directions, one of them is enough)."""
    direction: Literal["both", "in", "out"] = "both"
    """Seen from the node: what it is sent, what it sends, or both."""
    how: Literal["wire", "filter"] = "wire"
    """wire: lost on the way, where the node's link ends outside. filter: they arrive, where tcpdump
    sees them, and are dropped in the node, before keepalived gets them."""


_TABLE, _ADVERTS = "lvslab_partition", "ip protocol 112"


def _parts(target: Target) -> list[Part]:
    given = target.given(Partition)
    # An empty rule matches everything.
    rules = ("",) if given.what == "all" else (_ADVERTS,)
    comes = rules if given.direction != "out" else ()
    goes = rules if given.direction != "in" else ()
    if given.how == "wire":
        return [_on_the_wire(target, comes, goes)]
    heal = [drop_no_more(_TABLE)]
    if given.what == "all":
        return [Part(target.name, [drop(_TABLE, target.interface, comes, goes)], heal)]
    # What it sends is dropped where it arrives, too: a filter on its way out no tcpdump sees.
    return [
        Part(d.name, [drop(_TABLE, target.interface, rules, ())], heal)
        for d in target.lab.directors
        if (comes if d.name == target.name else goes)
    ]


def _on_the_wire(target: Target, comes: tuple[str, ...], goes: tuple[str, ...]) -> Part:
    """Drop in the machine's own network: what the node sends comes in there."""
    # Labs of one engine share that network.
    table = re.sub(r"[^A-Za-z0-9]", "_", f"{_TABLE}_{target.lab.name}_{target.name}")
    rules = netdev_table(table, "{dev}", goes, comes)
    return Part(
        target.name,
        [at_link(target, RULES, PEER, rules, touches="partition")],
        [at_link(target, NFT, no_table(table), touches="partition", lasting=True)],
    )


def _no_adverts(target: Target) -> str | None:
    if target.role == "director" or target.given(Partition).what == "all":
        return None
    return "a real server has no adverts to lose (with what=all it loses everything)"


FAULT = Fault(
    name="partition",
    summary="drop adverts, or all packets, to or from the node",
    expect={
        "director": (
            "Whoever hears no adverts becomes master when its master-down timer has run out, and "
            "whoever is master stays it: two holders, and the client is served by the one whose "
            "gratuitous ARP it heard last. One way is enough, if it is the master that is not "
            "heard. Healed, the lower priority gives way. With all packets lost the node is gone "
            "for everyone, but its link is up, so its keepalived stays master of nobody."
        ),
        "real-server": (
            "Nothing reaches it or nothing comes back: its share of the requests fails until the "
            "checks, each waiting for its timeout, have removed it."
        ),
    },
    inject=nothing,
    heal=nothing,
    params=Partition,
    elsewhere=_parts,
    refuses=_no_adverts,
    effect={"real-server": "unreachable"},
    lesson={
        "director": (
            "Nothing is wrong with either director, and neither can tell a dead peer from a "
            "silent network. Only a second path or a third opinion can."
        ),
    },
)
