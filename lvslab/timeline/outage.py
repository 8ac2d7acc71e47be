"""Outages as the client saw them, from the probe's results alone. Pure; seconds throughout.

The definition, on which every figure rests:

* The probe sends one request per target each ``interval``, whatever became of the earlier
  ones. A request is *good* when it was answered as it should be before its deadline; late,
  refused, reset, timed out and wrong answers are all *failed*.
* An **outage** is an unbroken run of failed requests (in the order of the schedule). It starts
  with the *completion* of the last good request before the run (the latest completion, if some
  overtook, but not one after the run's end) and ends with the first *completion* of a good
  request after it. Completion, because a request which waited 0.8 s in a queue for the new
  director was not being served meanwhile.
* Its length is the time between the two, **less one interval**: so far apart are two good
  requests when nothing is wrong. A total loss of service of T s makes the gap T to T + 2
  intervals wide, depending on the phase, so gap - interval is T give or take one interval.
* The **resolution** is that interval plus how late the probe's own schedule was at the two
  edges: a late request at an edge moves the edge.

A **silence** is an outage in which every request was answered in the end, before its deadline:
the client's kernel sent the lost packet again, 0.2 s later, then 0.4 s. Nothing failed, and yet
nothing was answered for a time: it is the longest time between two completions of good requests,
and counts as an outage from SILENCE on.

Outages that follow each other closely (one of two real servers is dead: every second request
fails) are one **disturbance**; its length is that of the degraded service, and its longest
outage says whether there was a time in which nothing was answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from lvslab.timeline.events import ProbeResult

#: Good requests in a row that end a disturbance, at the least (see :func:`disturbances`).
STEADY_GOOD = 10
#: Seconds (and intervals) without a completion that are a silence: TCP's first retransmission
#: comes after 0.2 s (Linux, TCP_RTO_MIN), what is shorter may be this machine's scheduling.
SILENCE, SILENCE_INTERVALS = 0.1, 5


@dataclass(frozen=True, slots=True)
class Outage:
    """An unbroken run of failed requests. Times on the engine's clock."""

    #: Completion of the last good request; None: there was none before (start unknown).
    start: float | None
    #: First completion of a good request after; None: none came while it was recorded.
    end: float | None
    #: When the first and the last failed request started.
    first_failed: float
    last_failed: float
    failed: int
    interval: float
    #: Lateness of the probe's own schedule: that at the one edge and that at the other.
    lateness: float

    @property
    def seconds(self) -> float | None:
        """Length, or None when one of its ends was not seen."""
        if self.start is None or self.end is None:
            return None
        return max(0.0, self.end - self.start - self.interval)

    @property
    def resolution(self) -> float:
        """How far :attr:`seconds` may be from the truth, either way."""
        return self.interval + self.lateness


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Outages close together: from the first failure until the service was steady again."""

    outages: tuple[Outage, ...]
    #: Requests due from the first failure to the last, and how many of them failed.
    requests: int
    by_result: Mapping[str, int]

    @property
    def longest(self) -> Outage:
        """The longest outage in it; one whose end was not seen counts as longest."""
        return max(
            self.outages, key=lambda o: (o.seconds is None, o.seconds or 0.0, -o.first_failed)
        )

    @property
    def start(self) -> float | None:
        """Completion of the last good request before it."""
        return self.outages[0].start

    @property
    def end(self) -> float | None:
        """First completion of a good request after its last failure; None: not recovered."""
        return self.outages[-1].end

    @property
    def seconds(self) -> float | None:
        """Length of the degraded service, or None when one of its ends was not seen."""
        if self.start is None or self.end is None:
            return None
        return max(0.0, self.end - self.start - self.outages[0].interval)

    @property
    def resolution(self) -> float:
        """How far :attr:`seconds` may be from the truth, either way."""
        first, last = self.outages[0], self.outages[-1]
        return first.resolution + (last.lateness if last is not first else 0.0)

    @property
    def failed(self) -> int:
        """Requests that failed."""
        return sum(o.failed for o in self.outages)

    @property
    def share(self) -> float:
        """Share of the requests that failed between the first failure and the last, 0 to 1."""
        return self.failed / self.requests

    @property
    def total(self) -> bool:
        """Whether nothing at all was answered in it."""
        return self.failed == self.requests


def interval_of(results: Sequence[ProbeResult], default: float) -> float:
    """Return the time between two requests to one target, as scheduled.

    ``default`` is for fewer than two results. The median, so that a result that never
    arrived does not count.
    """
    gaps = [b.due - a.due for a, b in pairwise(results)]
    return median(gaps) if gaps else default


def outages(results: Sequence[ProbeResult], interval: float) -> list[Outage]:
    """Return the outages in the results of one target, which are in the schedule's order."""
    found: list[Outage] = []
    runs = _runs(results)
    for i, run in enumerate(runs):
        if run[0].good:
            continue
        before = runs[i - 1] if i > 0 else []
        after = runs[i + 1] if i + 1 < len(runs) else []
        end = min((r.end for r in after), default=None)
        # Of what came before, a packet may have been lost at the very edge and sent again by
        # TCP: answered in time, but when the outage was over already.
        answered = [r.end for r in before if end is None or r.end < end]
        found.append(
            Outage(
                # Where each of them came after its end, nothing was without an answer.
                start=max(answered, default=end if before else None),
                end=end,
                first_failed=run[0].start,
                last_failed=run[-1].start,
                failed=len(run),
                interval=interval,
                lateness=_late(*before[-1:], run[0]) + _late(run[-1], *after[:1]),
            )
        )
    return found


def disturbances(
    results: Sequence[ProbeResult], interval: float, servers: int = 1
) -> list[Disturbance]:
    """Return the outages of one target, those that lie close together joined.

    Two are joined when fewer good requests lie between them than show that every one of
    ``servers`` real servers answers: STEADY_GOOD, or three rounds if that is more. ``results``
    are in the schedule's order.
    """
    steady = max(STEADY_GOOD, 3 * servers)
    groups: list[list[Outage]] = []
    good_since = steady
    found = iter(outages(results, interval))
    for run in _runs(results):
        if run[0].good:
            good_since = len(run)
            continue
        outage = next(found)
        if groups and good_since < steady:
            groups[-1].append(outage)
        else:
            groups.append([outage])
    return [_disturbance(group, results) for group in groups]


def silence(
    results: Sequence[ProbeResult], interval: float, since: float, until: float | None
) -> Outage | None:
    """Return the longest silence that ended after ``since`` and began before ``until``.

    None when none was as long as SILENCE and SILENCE_INTERVALS. The time after the last good
    request is none: nothing came after it that could tell.
    """
    good = sorted((r for r in results if r.good), key=lambda r: r.end)
    spans = [
        (b.end - a.end, a, b)
        for a, b in pairwise(good)
        if b.end > since and (until is None or a.end < until)
    ]
    if not spans:
        return None
    length, last, first = max(spans, key=lambda span: span[0])
    if length - interval < max(SILENCE, SILENCE_INTERVALS * interval):
        return None
    inside = [r for r in results if last.end < r.start < first.end]
    edges = [last, *inside[:1], *inside[-1:]]
    return Outage(
        start=last.end,
        end=first.end,
        first_failed=inside[0].start if inside else last.end,
        last_failed=inside[-1].start if inside else last.end,
        failed=sum(not r.good for r in inside),
        interval=interval,
        lateness=max(0.0, *(r.start - r.due for r in edges)),
    )


def by_result(results: Iterable[ProbeResult]) -> dict[str, int]:
    """Count the results by kind."""
    return dict(Counter(r.result for r in results))


def shares(results: Iterable[ProbeResult]) -> dict[str, int]:
    """Count the good answers by the real server that gave them."""
    return dict(Counter(r.server or "?" for r in results if r.good))


def starvation(results: Sequence[ProbeResult], interval: float) -> tuple[float, int]:
    """Return how late the probe's schedule was at worst, and how many requests are missing.

    Missing ones were due between the first result and the last but never reported: then
    counts and outages are not to be relied on.
    """
    if not results:
        return 0.0, 0
    scheduled = round((results[-1].due - results[0].due) / interval) + 1
    return max(0.0, *(r.start - r.due for r in results)), max(0, scheduled - len(results))


def _disturbance(group: list[Outage], results: Sequence[ProbeResult]) -> Disturbance:
    first, last = group[0].first_failed, group[-1].last_failed
    inside = [r for r in results if first <= r.start <= last]
    return Disturbance(tuple(group), len(inside), by_result(r for r in inside if not r.good))


def _late(*edge: ProbeResult) -> float:
    return max(0.0, *(r.start - r.due for r in edge))


def _runs(results: Sequence[ProbeResult]) -> list[list[ProbeResult]]:
    runs: list[list[ProbeResult]] = []
    for result in results:
        if runs and runs[-1][0].good == result.good:
            runs[-1].append(result)
        else:
            runs.append([result])
    return runs
