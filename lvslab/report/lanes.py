"""What was so from when to when: the lanes of a run. Pure.

Times are seconds since the first fault (before it: negative), as a reader counts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lvslab.scenario.seen import Seen
from lvslab.timeline.decomposition import words_of
from lvslab.timeline.events import Event
from lvslab.timeline.holders import holders

#: What a stretch is, for its colour and its pattern.
NONE, TWO, UNKNOWN = "none", "two", "unknown"
#: What keepalived's FIFO tells that is a state. The rest of it are events, such as
#: MASTER_RX_LOWER_PRI: a master that heard a lower priority, and is master still.
_STATES = frozenset({"MASTER", "BACKUP", "FAULT", "STOP", "DELETED"})
#: A row of a table: (VIP, port, protocol), and the real server's address and port.
Row = tuple[tuple[str, int, str], str, int]


@dataclass(frozen=True, slots=True)
class Stretch:
    """From ``start`` to ``end`` something was so."""

    #: The row that it is in: a VIP, a director, a director's row of its table.
    row: str
    start: float
    end: float
    #: What a person reads in it.
    label: str
    #: What decides its look: a node's name, NONE, TWO, a VRRP state, ``in``, ``out``.
    kind: str

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Tick:
    """Something that happened at a moment in a node."""

    node: str
    t: float
    #: ``advert``, ``gratuitous ARP`` or ``event``.
    kind: str
    text: str


def limits(seen: Seen) -> tuple[float, float]:
    """Return when the recording began and ended."""
    run = seen.recording
    return run.recorded_from - seen.begin, run.recorded_until - seen.begin


def holding(seen: Seen) -> list[Stretch]:
    """Return who held each VIP: nobody, one director, or several."""
    run = seen.recording
    found = []
    spans = holders(seen.events, run.vips, run.recorded_from, run.recorded_until)
    for vip, held in spans.items():
        for span in held:
            who = span.holders
            kind = NONE if not who else TWO if len(who) > 1 else who[0]
            label = "nobody" if not who else " and ".join(who)
            found.append(Stretch(vip, span.start - seen.begin, span.end - seen.begin, label, kind))
    return found


def states(seen: Seen) -> list[Stretch]:
    """Return each VRRP instance's state on each director.

    What it was before its first report is not recorded: a director that held all of the
    instance's VIPs at first is shown as MASTER, another one as BACKUP, both with ``?``.
    """
    found = []
    many = len(seen.spec.vrrp_instances) > 1
    initial = {e.node: e.data["holds"] for e in seen.events if e.kind == "lab.initial"}
    for instance in seen.spec.vrrp_instances:
        vips = [str(v).partition("/")[0] for v in instance.vips]
        for member in instance.members:
            node = member.director
            row = f"{node} {instance.name}" if many else node
            changes = [
                (e.t - seen.begin, str(e.data["state"]))
                for e in seen.events
                if e.kind == "vrrp.state"
                and e.node == node
                and e.data["instance"] == instance.name
                and e.data["state"] in _STATES
            ]
            first = None
            if node in initial:
                first = "MASTER?" if vips and set(vips) <= set(initial[node]) else "BACKUP?"
            found += _stretches(seen, row, first, changes)
    return found


def tables(seen: Seen) -> list[Stretch]:
    """Return each director's IPVS rows: in the table (with its weight, where told) or not.

    From the kernel's table where the agent polled it (``ipvs.table``, ``ipvs``), else from what
    keepalived told (``lvs.rs``): there a row is before its first change what it changed from, and
    one that nothing was told of was in the table, or there would have been no steady state.
    """
    found = []
    polled = {e.node for e in seen.events if e.kind in ("ipvs", "ipvs.table")}
    many = len(seen.spec.virtual_servers) > 1
    for director in seen.spec.directors:
        for server in seen.spec.virtual_servers:
            for member in server.members:
                row = f"{director.name}: {member.server}" + (f" ({server.key})" if many else "")
                service = (str(server.vip), server.port, server.protocol)
                key = (service, str(member.address), member.port)
                mine = [e for e in seen.events if e.node == director.name]
                if director.name in polled:
                    found += _stretches(seen, row, None, _polled(mine, key, seen.begin))
                else:
                    found += _stretches(seen, row, *_told(mine, key, seen.begin))
    return found


def ticks(seen: Seen) -> list[Tick]:
    """Return adverts and gratuitous ARP as they were sent, and all that happened otherwise."""
    found = []
    for event in seen.events:
        told = _tick(event)
        if told is not None:
            found.append(Tick(event.node, event.t - seen.begin, *told))
    return found


def _tick(event: Event) -> tuple[str, str] | None:
    data = event.data
    if event.kind == "vrrp.advert":
        if data["dir"] != "out":
            return None
        return "advert", f"advert, VRID {data['vrid']}, priority {data['priority']}"
    if event.kind == "arp.gratuitous":
        return ("gratuitous ARP", f"for {data['address']}") if data["dir"] == "out" else None
    if event.kind in _QUIET:
        return None
    words = ", ".join(f"{k} {v}" for k, v in data.items() if isinstance(v, (str, int, float)))
    return "event", f"{event.kind}: {words}" if words else event.kind


#: Not ticks: they are a lane of their own, or come many times a second.
_QUIET = {"probe.result", "lab.initial", "ipvs.table", "ipvs.conns"}


def _told(events: Iterable[Event], key: Row, begin: float) -> tuple[str, list[tuple[float, str]]]:
    (vip, port, protocol), address, own = key
    changes = [
        (e.t - begin, "in" if e.data["state"].upper() == "UP" else "out")
        for e in events
        if e.kind == "lvs.rs"
        and {vip, str(port)} <= set(words_of(e.data["vs"]))
        and ("udp" in words_of(e.data["vs"])) == (protocol == "UDP")
        and {address, str(own)} <= set(words_of(e.data["rs"]))
    ]
    first = "out" if changes and changes[0][1] == "in" else "in"
    return first, changes


def _polled(events: Iterable[Event], key: Row, begin: float) -> list[tuple[float, str]]:
    changes: list[tuple[float, str]] = []
    for event in events:
        if event.kind == "ipvs.table":
            state = _row(event.data.get("table"), key)
        elif event.kind == "ipvs" and _names(event.data, key):
            state = _weight(None if event.data.get("change") == "removed" else event.data)
        else:
            continue
        changes.append((event.t - begin, state))
    return changes


def _names(data: Mapping[str, Any], key: Row) -> bool:
    return (_service(data), data.get("server"), data.get("server_port")) == key


def _service(data: Mapping[str, Any]) -> tuple[Any, ...]:
    return data.get("vip"), data.get("port"), data.get("protocol", "TCP")


def _row(table: Any, key: Row) -> str:
    for service in table if isinstance(table, list) else []:
        if _service(service) == key[0]:
            for server in service.get("servers", ()):
                if (server.get("address"), server.get("port")) == key[1:]:
                    return _weight(server)
    return "out"


def _weight(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "out"
    weight = row.get("weight")
    return "in" if weight is None else f"weight {weight}"


def _stretches(
    seen: Seen, row: str, first: str | None, changes: Sequence[tuple[float, str]]
) -> list[Stretch]:
    start, end = limits(seen)
    found: list[Stretch] = []
    state, since = first, start
    for t, new in [*changes, (end, None)]:
        if new == state and new is not None:
            continue
        at = min(max(t, start), end)
        if state is not None and at > since:
            found.append(Stretch(row, since, at, _LABEL.get(state, state), state))
        elif state is None and at > since:
            found.append(Stretch(row, since, at, "not told", UNKNOWN))
        state, since = new, at
    return found


_LABEL = {"in": "in the table", "out": "removed"}
