"""The probe's results while they come in: is the service steady, and since when?

Results arrive by completion: a good answer of now comes before a timeout of two seconds ago.
Judging them as they come would call a service steady of which every second request is being
lost, so they are put back into the schedule's order first. Pure: its clock is the results'.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lvslab.timeline.events import Event, ProbeResult
from lvslab.timeline.outage import STEADY_GOOD

#: A result that is this much overdue (seconds after its deadline) was skipped or lost; the
#: probe itself gives a late answer one second (docs/agent.md, ``late``).
OVERDUE = 2.5


class InOrder:
    """Gives out the results of one target in the order of the schedule."""

    def __init__(self, deadline: float) -> None:
        self._patience = deadline + OVERDUE
        self._held: list[tuple[int, int, ProbeResult]] = []
        self._added = 0
        self._last: int | None = None
        self._newest = float("-inf")

    def add(self, result: ProbeResult, step: int) -> Iterator[ProbeResult]:
        """Take a result and yield those whose turn it is.

        ``step`` is by how much ``seq`` rises from one request of the target to the next.
        """
        self._newest = max(self._newest, result.end)
        self._added += 1
        heapq.heappush(self._held, (result.seq, self._added, result))
        while self._held:
            seq, _, first = self._held[0]
            is_next = seq < step if self._last is None else seq <= self._last + step
            if not is_next and self._newest - first.due < self._patience:
                return
            heapq.heappop(self._held)
            self._last = seq if self._last is None else max(seq, self._last)
            yield first


@dataclass(frozen=True, slots=True)
class Change:
    """The service of a target was lost (with how the first request failed), or is back."""

    t: float
    target: str
    lost: bool
    result: str


@dataclass(slots=True)
class _Target:
    order: InOrder
    good_since: float | None = None
    goods: int = 0
    newest: float = float("-inf")
    last_good_end: float | None = None
    first_good_end: float = 0.0
    lost: bool = False
    #: When each real server last answered.
    seen: dict[str, float] = field(default_factory=dict)
    failures: int = 0
    last_bad: ProbeResult | None = None


class Tracker:
    """Follows every target of a probe."""

    def __init__(self, targets: Iterable[str], deadline: float) -> None:
        self._targets = {target: _Target(InOrder(deadline)) for target in targets}

    def add(self, result: ProbeResult) -> list[Change]:
        """Take a result as it arrives; return what it changes."""
        target = self._targets.get(result.target)
        if target is None:
            return []
        changes: list[Change] = []
        for one in target.order.add(result, len(self._targets)):
            change = self._take(target, one)
            if change is not None:
                changes.append(change)
        return changes

    def _take(self, target: _Target, result: ProbeResult) -> Change | None:
        target.newest = result.start
        if not result.good:
            target.failures += 1
            target.last_bad = result
            target.goods, target.good_since = 0, None
            if target.lost:
                return None
            target.lost = True
            at = result.start if target.last_good_end is None else target.last_good_end
            return Change(at, result.target, True, result.result)
        target.goods += 1
        if target.good_since is None:
            target.good_since = result.start
            target.first_good_end = result.end
        target.first_good_end = min(target.first_good_end, result.end)
        target.last_good_end = result.end
        if result.server:
            target.seen[result.server] = result.start
        if target.lost and target.goods >= STEADY_GOOD:
            target.lost = False
            return Change(target.first_good_end, result.target, False, "ok")
        return None

    @property
    def failures(self) -> int:
        """Failed requests so far, of all targets."""
        return sum(t.failures for t in self._targets.values())

    def steady(
        self,
        seconds: float,
        *,
        since: float = float("-inf"),
        count: int = STEADY_GOOD,
        servers: dict[str, frozenset[str]] | None = None,
    ) -> bool:
        """Whether every target was answered without a failure for so long, up to now.

        Counted from ``since`` (engine clock) at the earliest, with at least ``count`` good
        requests, and with an answer of each of ``servers`` (addresses, by target) in that time.
        """
        return all(
            self.why_not(name, seconds, since=since, count=count, servers=servers) is None
            for name in self._targets
        )

    def why_not(
        self,
        name: str,
        seconds: float,
        *,
        since: float = float("-inf"),
        count: int = STEADY_GOOD,
        servers: dict[str, frozenset[str]] | None = None,
    ) -> str | None:
        """Say why a target is not steady (see :meth:`steady`), or None when it is."""
        target = self._targets[name]
        if target.good_since is None:
            if target.last_bad is None:
                return f"{name}: no result of the probe yet"
            detail = f" ({target.last_bad.detail})" if target.last_bad.detail else ""
            return f"{name}: requests fail: {target.last_bad.result}{detail}"
        begin = max(target.good_since, since)
        if target.newest - begin < seconds or target.goods < count:
            return f"{name}: not yet good for {seconds:g} s"
        wanted = (servers or {}).get(name, frozenset())
        silent = [s for s in sorted(wanted) if target.seen.get(s, float("-inf")) < begin]
        if silent:
            return f"{name}: no answer from {', '.join(silent)}"
        return None


class Tables:
    """What the directors took out of their IPVS tables and have not put back."""

    def __init__(self) -> None:
        #: (director, virtual server, real server)
        self.out: set[tuple[str, str, str]] = set()

    def note(self, event: Event) -> None:
        """Take an event of any kind."""
        if event.kind == "lvs.rs":
            one = (event.node, event.data["vs"], event.data["rs"])
            down = event.data["state"].upper() == "DOWN"
            (self.out.add if down else self.out.discard)(one)
        elif event.kind in ("service.started", "agent.ready"):
            # A keepalived that starts begins with all of them, and says nothing of it.
            self.out = {one for one in self.out if one[0] != event.node}


class Held:
    """Which directors have which VIPs in their kernels, by what netlink told."""

    def __init__(self) -> None:
        self._by: dict[str, set[str]] = {}
        #: When it last changed (engine clock).
        self.changed = float("-inf")

    def set(self, node: str, vips: Iterable[str]) -> None:
        """Say what a node has, whatever it had."""
        self._by[node] = set(vips)

    def note(self, event: Event) -> None:
        """Take an event of any kind."""
        if event.moves_vip:
            vip = str(event.data["address"]).partition("/")[0]
            mine = self._by.setdefault(event.node, set())
            (mine.add if event.kind == "addr.add" else mine.discard)(vip)
            self.changed = max(self.changed, event.t)

    def by_node(self) -> dict[str, tuple[str, ...]]:
        """Return the VIPs that each node has now."""
        return {node: tuple(sorted(vips)) for node, vips in self._by.items()}

    def alone(self, node: str, vips: Iterable[str]) -> bool:
        """Whether the node, and no other, has all of these."""
        return all({n for n, has in self._by.items() if vip in has} == {node} for vip in vips)
