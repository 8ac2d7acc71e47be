"""Why two directors held one VIP: from the adverts that each sent and got. Pure; seconds.

A backup that hears a higher priority keeps quiet (RFC 5798, section 6.4.2). Two that both hold
the VIP either do not hear each other, or do not believe what they hear; the adverts on the
wire tell which. A director's sniffer sees what arrives at its interface, before any filter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from lvslab.timeline.events import Event
from lvslab.timeline.holders import Span, contested

#: ``silent``: one says nothing any more, and its kernel keeps the VIP (a crash, a freeze).
#: ``vrid``, ``version``, ``auth``, ``advert_int``, ``vips``: set differently on the two.
#: ``unicast``: one speaks to peers, the other to the multicast group. ``partition``: what one
#: sends does not arrive. ``filtered``: it arrives, agrees in all, and is not heeded: something
#: in the node drops it. ``stranger``: one of them is no director at all.
Cause = Literal[
    "silent",
    "vrid",
    "version",
    "unicast",
    "auth",
    "advert_int",
    "vips",
    "partition",
    "filtered",
    "stranger",
]
CAUSES: tuple[Cause, ...] = get_args(Cause)

#: Two holders for so long are no split, but a handing over: each acts on the other's advert.
HANDOVER = 0.5
#: What two speakers must agree on, in the order in which keepalived looks (vrrp_check_packet()).
_AGREE: tuple[tuple[str, Cause, str], ...] = (
    ("version", "version", "VRRP version"),
    ("vrid", "vrid", "virtual router id"),
    ("auth", "auth", "authentication"),
    ("interval", "advert_int", "advert interval"),
    ("vips", "vips", "list of VIPs"),
)


@dataclass(frozen=True, slots=True)
class SplitBrain:
    """Two or more holders at once, and why."""

    vip: str
    start: float
    end: float
    nodes: tuple[str, ...]
    #: None: the adverts do not tell.
    cause: Cause | None
    #: For a person.
    why: str

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.end - self.start


def split_brains(
    events: Iterable[Event],
    holders: Mapping[str, Sequence[Span]],
    addresses: Mapping[str, str],
    intervals: Mapping[str, float],
    shortest: float = HANDOVER,
) -> list[SplitBrain]:
    """Return each time that several held a VIP for longer than ``shortest`` seconds.

    ``addresses``: of each director; ``intervals``: seconds between adverts, by VIP.
    """
    adverts = sorted((e for e in events if e.kind == "vrrp.advert"), key=lambda e: e.t)
    found = []
    for vip, spans in holders.items():
        for start, end, nodes in _merged(contested(spans)):
            if end - start <= max(shortest, 2 * intervals.get(vip, 0.0)):
                continue
            cause, why = _cause(adverts, vip, start, end, nodes, addresses, intervals.get(vip, 1.0))
            found.append(SplitBrain(vip, start, end, nodes, cause, why))
    return sorted(found, key=lambda s: s.start)


def _merged(spans: Iterable[Span]) -> list[tuple[float, float, tuple[str, ...]]]:
    """Join spans that follow each other without a gap: a third holder is the same split."""
    merged: list[tuple[float, float, tuple[str, ...]]] = []
    for span in spans:
        if merged and merged[-1][1] == span.start:
            start, _, nodes = merged[-1]
            both = tuple(sorted({*nodes, *span.holders}))
            merged[-1] = (start, span.end, both)
        else:
            merged.append((span.start, span.end, span.holders))
    return merged


def _cause(
    adverts: Sequence[Event],
    vip: str,
    start: float,
    end: float,
    nodes: Sequence[str],
    addresses: Mapping[str, str],
    interval: float,
) -> tuple[Cause | None, str]:
    strangers = [n for n in nodes if n not in addresses]
    if strangers:
        return "stranger", (
            f"{' and '.join(strangers)} is no director, and has {vip} on an interface that answers"
        )
    # One that has gone silent still had its last say within an interval before the split. What
    # ends a split (a thaw, a heal) lets both speak, and agree, for a moment before its end.
    until = min(end, max(end - interval - HANDOVER, start + 2.5 * interval))
    inside = [e for e in adverts if start + interval < e.t < until and e.data["priority"] > 0]
    sent = {
        n: _sent(inside, n, vip, addresses.get(n, "")) or _first_say(adverts, n, start, interval)
        for n in nodes
    }
    quiet = [n for n in nodes if sent[n] is None]
    if len(quiet) == len(nodes):
        return None, "no advert was seen while it lasted"
    if quiet:
        return "silent", (
            f"{' and '.join(quiet)} sends no adverts, and its kernel still has the VIP: "
            "keepalived died without cleaning up, or stands still"
        )
    first, second = nodes[0], nodes[1]
    one, other = sent[first], sent[second]
    assert one is not None
    assert other is not None
    unicast = [n for n in (first, second) if not _multicast(sent[n])]
    if len(unicast) == 1:
        quiet_to = second if unicast == [first] else first
        return "unicast", f"{unicast[0]} speaks to its peers alone, {quiet_to} to the group"
    for key, cause, words in _AGREE:
        mine, theirs = one.get(key), other.get(key)
        if key == "vips" and mine is not None and theirs is not None:
            mine, theirs = sorted(mine), sorted(theirs)
        if mine != theirs:
            return (
                cause,
                f"the {words} differs: {_said(key, first, mine)}, {_said(key, second, theirs)}",
            )
    lost = [
        f"{a}'s adverts do not reach {b}"
        for a, b in ((first, second), (second, first))
        if not any(
            e.node == b and e.data["dir"] == "in" and e.data["src"] == addresses.get(a)
            for e in inside
        )
    ]
    if lost:
        return "partition", " and ".join(lost)
    return "filtered", (
        "the adverts of each arrive at the other and agree in everything: something in the node "
        "drops them before keepalived"
    )


def _sent(adverts: Iterable[Event], node: str, vip: str, address: str) -> Mapping[str, Any] | None:
    """Return what a node says of a VIP, by its last own advert that is about it."""
    own = [e.data for e in adverts if e.node == node and e.data["dir"] == "out"]
    about = [d for d in own if vip in d.get("vips", [vip]) and d.get("src") == address]
    # Where the list of VIPs is what differs, it may not name this one.
    chosen = about or own
    return chosen[-1] if chosen else None


def _first_say(
    adverts: Iterable[Event], node: str, start: float, interval: float
) -> Mapping[str, Any] | None:
    """Return the advert by which a node became the second holder, if that was all it said.

    A master that keeps hearing adverts that it throws away sends none itself while they come more
    often than its own timer (seen with keepalived 2.3.3, VRRPv2, 2 s against 1 s).
    """
    own = [e for e in adverts if e.node == node and e.data["dir"] == "out"]
    if any(start - 3 * interval < e.t < start - interval / 2 for e in own):
        return None  # it was master before
    first = [e.data for e in own if abs(e.t - start) <= interval / 2 and e.data["priority"] > 0]
    return first[0] if first else None


def _multicast(advert: Mapping[str, Any] | None) -> bool:
    return advert is None or str(advert.get("dst", "224.0.0.18")).startswith("224.")


def _said(key: str, node: str, value: object) -> str:
    if key == "auth":
        return f"{node} {str(value).partition('/')[0]}"
    if key == "interval":
        return f"{node} {value:g} s"
    if isinstance(value, list):
        return f"{node} {', '.join(map(str, value)) or 'none'}"
    return f"{node} {value}"
