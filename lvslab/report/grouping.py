"""Runs of one scenario together, and how their figures are distributed. Pure; seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lvslab.scenario.expectations.model import Check
from lvslab.scenario.judge import ScenarioResult, Verdict, worst


@dataclass(frozen=True, slots=True)
class Dot:
    """What one run measured."""

    index: int
    measured: float
    resolution: float | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Distribution:
    """One figure that has a bound, over all runs that measured it."""

    text: str
    unit: str
    dots: tuple[Dot, ...]
    low: float | None
    high: float
    #: The bound, as the sentence of its checks has it.
    wanted: str
    formula: str
    #: How far beyond the bound is still granted: seconds; 0 where a person named the bound.
    allowance: float = 0.0

    @property
    def p50(self) -> float:
        """The median, by nearest rank."""
        return percentile(self._values, 50)

    @property
    def p95(self) -> float:
        """The smallest value that at least 95 % of the runs do not exceed."""
        return percentile(self._values, 95)

    @property
    def max(self) -> float:
        """The largest."""
        return max(self._values)

    @property
    def min(self) -> float:
        """The smallest."""
        return min(self._values)

    @property
    def passed(self) -> int:
        """How many runs kept it."""
        return sum(d.outcome == "pass" for d in self.dots)

    @property
    def _values(self) -> list[float]:
        return [d.measured for d in self.dots]


@dataclass(frozen=True, slots=True)
class Group:
    """All runs of one scenario on one topology, in the order of their index."""

    name: str
    title: str
    topology: str
    results: tuple[ScenarioResult, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of them."""
        return worst([r.verdict for r in self.results])

    def count(self, verdict: Verdict) -> int:
        """How many runs ended so."""
        return sum(r.verdict == verdict for r in self.results)


def groups(results: Sequence[ScenarioResult]) -> list[Group]:
    """Put the runs of one scenario on one topology together; order as they came."""
    found: dict[tuple[str, str], list[ScenarioResult]] = {}
    for result in results:
        spec = result.history.scenario
        found.setdefault((spec.name, spec.topology.name), []).append(result)
    return [
        Group(
            name,
            runs[0].history.scenario.title,
            topology,
            tuple(sorted(runs, key=lambda r: r.history.index)),
        )
        for (name, topology), runs in found.items()
    ]


def distributions(group: Group) -> list[Distribution]:
    """Return every figure that has a bound, with what each run measured."""
    found = []
    texts = dict.fromkeys(c.text for r in group.results for c in r.checks)
    for text in texts:
        held = [(r.history.index, c) for r in group.results for c in r.checks if _bounded(c, text)]
        if not held:
            continue
        lows = [c.low for _, c in held if c.low is not None]
        first = held[0][1]
        found.append(
            Distribution(
                text,
                first.unit,
                tuple(Dot(i, c.measured or 0.0, c.resolution, c.outcome) for i, c in held),
                min(lows, default=None),
                max(c.high for _, c in held if c.high is not None),
                first.wanted,
                first.formula,
                _allowance(group, text) if first.unit == "s" else 0.0,
            )
        )
    return found


def _allowance(group: Group, text: str) -> float:
    """Return what a computed bound is kept give or take; one's own is meant as it is written."""
    if "auto" not in text.split():
        return 0.0
    return max(r.history.recording.allowance for r in group.results)


def worst_check(results: Sequence[ScenarioResult]) -> Check | None:
    """Return the check that says most: a failed one, else the figure nearest to its bound."""
    checks = [c for r in results for c in r.checks]
    failed = [c for c in checks if c.outcome == "fail"]
    bounded = [c for c in failed or checks if c.measured is not None and c.high is not None]
    if bounded:
        return max(bounded, key=_strain)
    unclear = [c for c in checks if c.outcome == "inconclusive"]
    return next(iter(failed or unclear or checks), None)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile by nearest rank: always a value that was measured.

    Raises ValueError for no values.
    """
    if not values:
        raise ValueError("no values have no percentile")
    ranked = sorted(values)
    return ranked[max(0, math.ceil(percent / 100 * len(ranked)) - 1)]


def _bounded(check: Check, text: str) -> bool:
    return check.text == text and check.measured is not None and check.high is not None


def _strain(check: Check) -> float:
    """How far through its bound a figure is: above 1 it is beyond."""
    assert check.measured is not None
    assert check.high is not None
    return check.measured / check.high if check.high > 0 else check.measured + 1.0
