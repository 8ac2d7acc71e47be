"""Adverts, or everything, are dropped on their way to or from the node."""

from __future__ import annotations

from typing import Literal

from lvslab.faults.model import Fault, Operation, Params, Part, Target
from lvslab.faults.nodefiles import drop, drop_no_more


class Partition(Params):
    """What is dropped, and where."""

    what: Literal["vrrp", "all"] = "vrrp"
    """Adverts only, or every packet (then with both directions, one of them is enough)."""
    direction: Literal["both", "in", "out"] = "both"
    """Seen from the node: what it is sent, what it sends, or both."""
    how: Literal["wire", "filter"] = "wire"
    """wire: adverts are lost before they arrive. filter: they arrive, where tcpdump sees them,
    and are dropped before keepalived gets them. All packets are dropped in the node itself."""


_TABLE, _ADVERTS = "lvslab_partition", "ip protocol 112"


def _elsewhere(target: Target) -> list[Part]:
    """Drop the others' adverts where they are sent: so they are lost for a tcpdump, too.

    By multicast they are for every director; a third one misses them as well.
    """
    given = target.given(Partition)
    if given.what == "all" or given.how == "filter" or given.direction == "out":
        return []
    heal = [drop_no_more(_TABLE)]
    return [
        Part(d.name, [drop(_TABLE, target.interface, (), (_ADVERTS,))], heal)
        for d in target.lab.directors
        if d.name != target.name
    ]


def _no_adverts(target: Target) -> str | None:
    if target.role == "director" or target.given(Partition).what == "all":
        return None
    return "a real server has no adverts to lose (with what=all it loses everything)"


def _inject(target: Target) -> list[Operation]:
    given = target.given(Partition)
    # An empty rule matches everything.
    rules = ("",) if given.what == "all" else (_ADVERTS,)
    inside = given.what == "all" or given.how == "filter"
    ingress = rules if given.direction != "out" and inside else ()
    egress = rules if given.direction != "in" else ()
    if not ingress and not egress:
        return []
    return [drop(_TABLE, target.interface, ingress, egress)]


def _heal(target: Target) -> list[Operation]:
    return [drop_no_more(_TABLE)] if _inject(target) else []


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
    inject=_inject,
    heal=_heal,
    params=Partition,
    elsewhere=_elsewhere,
    refuses=_no_adverts,
    effect={"real-server": "unreachable"},
    lesson={
        "director": (
            "Nothing is wrong with either director, and neither can tell a dead peer from a "
            "silent network. Only a second path or a third opinion can."
        ),
    },
)
