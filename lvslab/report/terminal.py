"""A run on the terminal: a line for each event as it happens, and the figures at the end.

Pure: text from events and results, nothing is printed here. Times are seconds relative to the
fault, in milliseconds, with a sign.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lvslab.faults.registry import all_faults
from lvslab.timeline.decomposition import Decomposition
from lvslab.timeline.events import Event
from lvslab.timeline.holders import contested
from lvslab.timeline.outage import Disturbance, Outage
from lvslab.timeline.result import FaultResult, Verdict, removal_times
from lvslab.timeline.run import Promise

#: Events that only a machine wants to see one by one.
_QUIET = frozenset({"probe.result", "vrrp.advert", "lab.initial", "neigh", "probe.stopped"})

#: Gratuitous ARPs closer together than this (seconds) are one announcement.
_SAME_ANNOUNCEMENT = 1.0


class Teller:
    """Gives out the lines of a run while its events come in.

    Events come in the order in which they were known, which is not that of their times: each is
    held until the clock of the engine, as other events tell it, is WINDOW past it. Until the
    fault is known there is no time to tell, and an agent tells of a fault, or of its healing,
    only when its operations are done: what comes before is held, and told with it. keepalived
    announces a VIP five times over; the repeats are not told.
    """

    #: Seconds before the fault from which on held events are told.
    BEFORE = 0.5
    #: Seconds for which a line is held, so that one of an earlier moment can come before it.
    WINDOW = 0.3
    #: Seconds for which the end of a healing is waited for before others are told.
    HEALING = 5.0

    def __init__(self) -> None:
        self._fault_t: float | None = None
        self._held: list[Event] = []
        self._clock = float("-inf")
        self._told = float("-inf")
        self._healing = float("inf")
        self._announced: tuple[str, str, float] | None = None

    def tell(self, event: Event) -> list[str]:
        """Return the lines that can be told now that this event came, mostly one or none."""
        self._clock = max(self._clock, event.t)
        if _text(event) is not None:
            self._held.append(event)
        if event.kind == "fault.injected" and self._fault_t is None:
            self._fault_t = event.t
            self._held = [e for e in self._held if e.t >= event.t - self.BEFORE]
        elif event.kind == "healing":
            self._healing = event.t
        elif event.kind == "fault.healed" or self._clock > self._healing + self.HEALING:
            self._healing = float("inf")
        if self._fault_t is None:
            return []
        return self._give(min(self._clock, self._healing) - self.WINDOW)

    def rest(self) -> list[str]:
        """Return what is still held, when nothing more will come."""
        return self._give(float("inf"))

    def _give(self, until: float) -> list[str]:
        ready = sorted((e for e in self._held if e.t <= until), key=lambda e: e.t)
        self._held = [e for e in self._held if e.t > until]
        said = []
        for event in ready:
            text = None if self._repeated(event) else line(event, self._fault_t)
            if text is not None:
                # What only a deadline shows is known too late for its place.
                said.append(f"{text} (known only now)" if event.t < self._told else text)
                self._told = max(self._told, event.t)
        return said

    def _repeated(self, event: Event) -> bool:
        if event.kind != "arp.gratuitous":
            return False
        before, self._announced = self._announced, (event.node, event.data["address"], event.t)
        return (
            before is not None
            and before[:2] == self._announced[:2]
            and event.t - before[2] < _SAME_ANNOUNCEMENT
        )


def line(event: Event, fault_t: float | None) -> str | None:
    """Return the line for an event, or None for one that is not shown.

    ``fault_t`` is the moment of the fault (engine clock); None before it was injected.
    """
    text = _text(event)
    if text is None:
        return None
    when = "" if fault_t is None else f"{event.t - fault_t:+.3f} s"
    return f"{when:>11}  {event.node:<8} {text}"


def _text(event: Event) -> str | None:
    d = event.data
    match event.kind:
        case "vrrp.advert" if d["priority"] == 0 and d["dir"] == "out":
            return "says goodbye: an advert of priority 0"
        case "neigh" if d.get("was"):
            return f"ARP entry: {d['address']} is at {d['mac']}, was at {d['was']}"
        case kind if kind in _QUIET:
            return None
        case "fault.injected":
            return f"FAULT {d['fault']}"
        case "fault.healed":
            left = f"; could not put back: {', '.join(d['left'])}" if d.get("left") else ""
            return f"HEALED {d['fault']}{left}"
        case "client.lost":
            return f"last good request to {d['target']} before the next one failed ({d['result']})"
        case "client.back":
            return f"first good request to {d['target']}; none has failed since"
        case "vrrp.state":
            return f"VRRP {d['instance']}: {d['state']}"
        case "addr.add" | "addr.del" if event.moves_vip:
            return f"VIP {d['address']} {'on' if event.kind == 'addr.add' else 'off'}"
        case "link":
            if d["up"] and not d.get("running", True):
                return f"{d['interface']} up, without a carrier yet"
            return f"{d['interface']} {'up' if d['up'] else 'down'}"
        case "arp.gratuitous" if d["dir"] == "out":
            return f"gratuitous ARP: {d['address']} is at {d.get('mac', '?')}"
        case "lvs.rs":
            way = "into" if d["state"].upper() == "UP" else "out of"
            return f"real server {d['rs']} {way} the table of {d['vs']}"
        case "service.exited":
            return f"{d.get('service', 'a service')} ended (status {d.get('status', '?')})"
        case "service.started":
            return f"{d.get('service', 'a service')} started"
        case "agent.ready":
            return "the node is up"
        case "dropped":
            return f"{d.get('count', 'some')} events were lost on the way"
    return None


def closing(result: FaultResult) -> list[str]:
    """Return the closing block: figures, bound, verdict, where the time went, the lesson."""
    run = result.run
    out = [f"{run.fault} in {run.node}", *_seen(result), *_requests(result), *_holders(result)]
    out += _bound(run.promise, result.verdict, run.allowance)
    if result.verdict_takeover is not None:
        out += _bound(run.promise_takeover, result.verdict_takeover, run.allowance)
    out += _parts("where the time went", result.decomposition)
    if result.heal_t is not None:
        out.append(f"the way back, healed {result.heal_t - result.fault_t:.3f} s after the fault")
        out += _service(result.outage_back, _most(d for r in result.readings for d in r.back))
        if result.verdict_back is not None:
            out += _bound(run.promise_back, result.verdict_back, run.allowance)
        out += _parts("where the time went", result.decomposition_back)
    out += _lesson(result)
    return out


def _seen(result: FaultResult) -> list[str]:
    lines = _service(result.outage, result.disturbance)
    for node, seconds in removal_times(result).items():
        lines.append(f"  removed      by {node} after {seconds:.3f} s")
    return lines


def _service(outage: Outage | None, found: Disturbance | None) -> list[str]:
    if outage is None:
        return ["  outage       none: every request was answered in time"]
    if found is None:
        return [
            f"  outage       {_plus_minus(outage)}: nothing was answered for so long, but every "
            "request before its deadline, sent again by the client's TCP"
        ]
    if not found.total:
        share = f"{found.share:.0%} of the requests failed"
        lasted = "and had not ended" if found.seconds is None else f"for {_plus_minus(found)}"
        return [
            f"  degraded     {share} {lasted}",
            f"  outage       longest {_plus_minus(outage)} without any answer",
        ]
    return [f"  outage       {_plus_minus(outage)}"]


def _plus_minus(one: Outage | Disturbance) -> str:
    if one.seconds is None:
        return "not over when the recording ended" if one.end is None else "began unseen"
    return f"{one.seconds:.3f} s ± {one.resolution:.3f} s"


def _requests(result: FaultResult) -> list[str]:
    failed = sum(result.failed.values())
    kinds = f" ({_counts(result.failed)})" if failed else ""
    served: dict[str, int] = {}
    for reading in result.readings:
        for server, count in reading.shares.items():
            served[server] = served.get(server, 0) + count
    run = result.run
    return [
        f"  requests     {result.requests} at {run.rate:g}/s, deadline {run.deadline:g} s; "
        f"{failed} failed{kinds}",
        f"  served by    {_counts(served) or 'nobody'}",
    ]


def _holders(result: FaultResult) -> list[str]:
    lines = []
    for vip, who in result.holds_now.items():
        holders = " and ".join(who) or "nobody"
        lines.append(f"  VIP now      {vip} on {holders}")
        both = sum(s.seconds for s in contested(result.holders[vip]) if s.end > result.fault_t)
        if both > 0:
            lines.append(f"               two holders for {both:.3f} s of the recording")
    return lines


_WHAT = {"outage": "outage", "takeover": "takeover", "removal": "last failure"}


def _bound(promise: Promise | None, verdict: Verdict, allowance: float) -> list[str]:
    if promise is None:
        why = f" ({'; '.join(verdict.reasons)})" if verdict.reasons else ""
        return [f"  bound        none is promised for this{why}"]
    span = (
        f"{promise.lower:.3f}"
        if promise.lower == promise.upper
        else (f"{promise.lower:.3f} to {promise.upper:.3f}")
    )
    measured = (
        "not seen"
        if verdict.measured is None
        else f"{verdict.measured:.3f} s ± {verdict.resolution or 0.0:.3f} s"
    )
    word = verdict.outcome.upper() if verdict.outcome != "within" else "within"
    why = f": {'; '.join(verdict.reasons)}" if verdict.reasons else ""
    return [
        f"  bound        {_WHAT[promise.quantity]} {span} s, give or take {allowance:g} s: "
        f"{promise.formula}",
        f"  verdict      {word}: measured {measured}{why}",
    ]


def _parts(title: str, split: Decomposition | None) -> list[str]:
    if split is None:
        return []
    lines = [f"  {title}"]
    for part in split.parts:
        note = "(before it: the timer was running)" if part.seconds < 0 else part.note
        lines.append(f"    {part.seconds:+9.3f} s  {part.since} -> {part.until}  {note}".rstrip())
    lines.append(f"    {split.seconds:+9.3f} s  sum")
    return lines


def _lesson(result: FaultResult) -> list[str]:
    fault = all_faults().get(result.run.fault)
    first = {vip: spans[0].holders for vip, spans in result.holders.items()}
    idle = result.run.role == "director" and not any(
        result.run.node in who for who in first.values()
    )
    if fault is None or idle:
        return []
    text = fault.lesson.get(result.run.role)
    return [text] if text else []


def _most(found: Iterable[Disturbance]) -> Disturbance | None:
    return max(found, key=lambda d: d.failed, default=None)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
