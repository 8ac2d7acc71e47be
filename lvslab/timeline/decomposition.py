"""Where the time of an outage went: its parts, which sum to the whole. Pure; seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

from lvslab.timeline.events import Event
from lvslab.timeline.outage import Outage

_MASTER, _VIP, _GARP = "MASTER on", "VIP on", "gratuitous ARP from"
_ARP = "ARP entry of"
_BACK = "a real server back in the table of"
#: Seconds by which what netlink and the FIFOs told may be stamped after what came of it: they
#: have no time of their own, and are stamped when the agent reads them.
_LATE = 0.25
_NOBODY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment with a name ("VIP on lvs2")."""

    t: float
    what: str
    #: What a reader should know of its time; empty where it is simply when it was seen.
    note: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """From one mark to the next. Negative only for a last advert before the fault."""

    since: str
    until: str
    seconds: float
    #: Of the mark that ends it.
    note: str = ""


@dataclass(frozen=True, slots=True)
class Decomposition:
    """Marks in order; the parts between them sum to the time from the first to the last."""

    marks: tuple[Mark, ...]

    @property
    def seconds(self) -> float:
        """The whole: from the fault to the first good request."""
        return self.marks[-1].t - self.marks[0].t

    @property
    def parts(self) -> tuple[Part, ...]:
        """The time between each two marks that follow each other."""
        return tuple(Part(a.what, b.what, b.t - a.t, b.note) for a, b in pairwise(self.marks))


def of_failover(
    events: Iterable[Event],
    fault_t: float,
    node: str,
    outage: Outage,
    *,
    client: str = "",
    macs: Mapping[str, str] = _NOBODY,
) -> Decomposition | None:
    """Split an outage that a director's fault caused, or None when its end was not seen.

    The marks: the fault; the last advert that ``node`` sent (it may lie before the fault: the
    backup's timer was running already, so this part is then negative); another director turns
    MASTER (see :func:`_of_takeover`), the VIP is on it, its first gratuitous ARP for it; the ARP
    entry of ``client`` changes; and the first good request. What was not seen is left out, and
    its time falls to the part that follows. ``macs``: which node has which MAC address.
    """
    if outage.end is None or outage.end < fault_t:
        return None
    events = sorted(events, key=lambda e: e.t)
    marks = [Mark(fault_t, "fault")]
    last = _last_advert(events, node, outage.end)
    if last is not None:
        marks.append(Mark(last, f"last advert of {node}"))
    since = max(m.t for m in marks)
    seen: dict[str, Mark] = {}
    owners = _owners(events, macs)
    for event in events:
        if event.node == node or not since <= event.t <= outage.end + _LATE:
            continue
        what = _takeover(event)
        if what is not None:
            seen.setdefault(what, Mark(event.t, f"{what} {event.node}"))
        elif (owner := _moved(event, client, owners)) not in (None, node):
            seen.setdefault(_ARP, Mark(event.t, f"{_ARP} {client}: {owner}"))
    marks += _of_takeover(seen, outage.end)
    marks.append(Mark(outage.end, "first good request"))
    return Decomposition(tuple(marks))


def of_return(
    events: Iterable[Event],
    heal_t: float,
    node: str,
    outage: Outage,
    *,
    client: str = "",
    macs: Mapping[str, str] = _NOBODY,
) -> Decomposition | None:
    """Split an outage that a director's return caused, or None when its end was not seen.

    The marks: the heal; ``node`` takes the VIP back (state, address, gratuitous ARP, the ARP
    entry of ``client``); the first real server in its table again; the first good request. The
    table is what a director that comes back from a lost link has to fill anew.
    """
    if outage.end is None or outage.end < heal_t:
        return None
    seen: dict[str, Mark] = {}
    events = sorted(events, key=lambda e: e.t)
    owners = _owners(events, macs)
    for event in events:
        if not heal_t <= event.t <= outage.end + _LATE:
            continue
        if _moved(event, client, owners) == node:
            seen.setdefault(_ARP, Mark(event.t, f"{_ARP} {client}: {node}"))
        elif event.node == node:
            what = _takeover(event)
            if event.kind == "lvs.rs" and event.data["state"].upper() == "UP":
                what = _BACK
            if what is not None:
                seen.setdefault(what, Mark(event.t, f"{what} {node}"))
    marks = [
        Mark(heal_t, "heal"),
        *_of_takeover(seen, outage.end),
        Mark(outage.end, "first good request"),
    ]
    return Decomposition(tuple(marks))


def of_removal(
    events: Iterable[Event], fault_t: float, address: str, end: float | None
) -> Decomposition | None:
    """Split a real server's fault: fault, removed from each table, first steadily good request.

    ``address`` is the real server's; ``end`` that of the disturbance, None when not seen.
    """
    if end is None or end < fault_t:
        return None
    seen: dict[str, Mark] = {}
    for event in sorted(events, key=lambda e: e.t):
        if removed(event, address) and fault_t <= event.t <= end:
            seen.setdefault(event.node, Mark(event.t, f"removed by {event.node}"))
    marks = [Mark(fault_t, "fault"), *seen.values(), Mark(end, "last failure over")]
    return Decomposition(tuple(marks))


def removed(event: Event, address: str) -> bool:
    """Whether a director took the real server of this address out of its table."""
    return (
        event.kind == "lvs.rs"
        and event.data["state"].upper() == "DOWN"
        and address in words_of(event.data["rs"])
    )


def words_of(text: str) -> Sequence[str]:
    """Return the address, the port and, where told, the protocol of a server of keepalived's."""
    # keepalived writes [ADDRESS]:PROTOCOL:PORT or ADDRESS:PORT, by version; UDP is PORT/udp.
    for mark in "[]:/":
        text = text.replace(mark, " ")
    return text.split()


def _last_advert(events: Sequence[Event], node: str, before: float) -> float | None:
    """Return when the last advert that the node itself sent went out, at the latest ``before``.

    Only its own end counts (dir ``out``): an advert seen elsewhere has no sender's name.
    """
    return max(
        (
            e.t
            for e in events
            if e.kind == "vrrp.advert"
            and e.node == node
            and e.data["dir"] == "out"
            and e.t <= before
        ),
        default=None,
    )


def _of_takeover(seen: Mapping[str, Mark], end: float) -> list[Mark]:
    """Return the marks of a takeover in order, none later than what came of it.

    keepalived decides, adds the VIPs, announces them, and writes its state to the notify FIFO
    last, where the agent has yet to read it (seen: 2 to 70 ms after the address). So neither the
    decision nor the address is later than the announcement, whose stamp is the packet's, or
    than ``end``, the first request that was served by it; nor is the client's ARP entry later
    than that. A mark that was moved says by how much.
    """
    signs = {what: m.t for what, m in seen.items() if what == _GARP}
    marks = []
    for what in (_VIP, _MASTER):
        if what in seen:
            signs[what] = min(seen[what].t, end, *signs.values())
    for what in (_ARP, _BACK):
        if what in seen:
            signs[what] = min(seen[what].t, end)
    # In the order in which they come of each other, where they are at one moment.
    for what in (_MASTER, _VIP, _GARP, _ARP, _BACK):
        if what in seen and signs[what] <= end:
            late = seen[what].t - signs[what]
            note = f"(told {late:.3f} s later)" if late >= 0.0005 else ""
            marks.append(Mark(signs[what], seen[what].what, note))
    return sorted(marks, key=lambda m: m.t)


def _owners(events: Iterable[Event], macs: Mapping[str, str]) -> dict[str, str]:
    """Return which node has which MAC address, by ``macs`` and by what nodes announced."""
    announced = {
        str(e.data["mac"]): e.node
        for e in events
        if e.kind == "arp.gratuitous" and e.data["dir"] == "out" and e.data.get("mac")
    }
    return {**macs, **announced}


def _moved(event: Event, client: str, owners: Mapping[str, str]) -> str | None:
    """Return whom the client's ARP entry names from this event on, or None when it is no change.

    A node whose name is not known is told by its MAC address.
    """
    if event.kind != "neigh" or event.node != client or not event.data.get("was"):
        return None
    mac = str(event.data["mac"])
    return owners.get(mac, mac)


def _takeover(event: Event) -> str | None:
    if event.kind == "vrrp.state" and event.data["state"] == "MASTER":
        return _MASTER
    if event.kind == "addr.add" and event.moves_vip:
        return _VIP
    if event.kind == "arp.gratuitous" and event.data["dir"] == "out":
        return _GARP
    return None
