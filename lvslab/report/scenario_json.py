"""Runs of scenarios as JSON. The shape is documented here and kept: keys are added, never changed.

Lengths are seconds unless ``unit`` says otherwise; ``null``: none, or not seen.

| key | value |
|---|---|
| ``format``, ``version`` | ``lvslab-scenarios``, 1 |
| ``verdict`` | the worst of all runs: pass, fail, inconclusive, aborted |
| ``counts`` | {verdict: number of runs} |
| ``scenarios`` | list, one for each scenario and topology, as below |

A scenario:

| key | value |
|---|---|
| ``name``, ``title``, ``topology``, ``tags`` | as in its file |
| ``verdict`` | the worst of its runs |
| ``figures`` | each figure that has a bound, over its runs: expectation, unit, low, high, \
formula, runs, passed, min, p50, p95, max (nearest rank) |
| ``runs`` | list, as below |

A run:

| key | value |
|---|---|
| ``index``, ``seed``, ``verdict``, ``why``, ``made`` | which repeat (from 0); versions |
| ``checks`` | list: expectation, outcome, seen, wanted, why, measured, unit, resolution, low, \
high, formula |
| ``requests`` | total, failed ({outcome: number}) |
| ``faults`` | list: step, and ``result`` as in lvslab/report/json.py |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from lvslab.report import grouping
from lvslab.report.grouping import Distribution, Group
from lvslab.report.json import to_dict as of_fault
from lvslab.report.tables import failed_of
from lvslab.scenario.expectations.model import Check
from lvslab.scenario.judge import ScenarioResult, worst

FORMAT = "lvslab-scenarios"
VERSION = 1


def to_dict(results: Sequence[ScenarioResult]) -> dict[str, Any]:
    """Return the runs as JSON-able data, in the shape that the module documents."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "verdict": worst([r.verdict for r in results]),
        "counts": dict(Counter(r.verdict for r in results)),
        "scenarios": [_scenario(group) for group in grouping.groups(results)],
    }


def _scenario(group: Group) -> dict[str, Any]:
    return {
        "name": group.name,
        "title": group.title,
        "topology": group.topology,
        "tags": list(group.results[0].history.scenario.tags),
        "verdict": group.verdict,
        "figures": [_figure(d) for d in grouping.distributions(group)],
        "runs": [_run(r) for r in group.results],
    }


def _figure(of: Distribution) -> dict[str, Any]:
    return {
        "expectation": of.text,
        "unit": of.unit,
        "low": _number(of.low),
        "high": _number(of.high),
        "formula": of.formula,
        "runs": len(of.dots),
        "passed": of.passed,
        "min": _number(of.min),
        "p50": _number(of.p50),
        "p95": _number(of.p95),
        "max": _number(of.max),
    }


def _run(result: ScenarioResult) -> dict[str, Any]:
    total, failed = failed_of(result.seen)
    return {
        "index": result.history.index,
        "seed": result.history.seed,
        "verdict": result.verdict,
        "why": result.why,
        "made": dict(result.history.made),
        "checks": [_check(c) for c in result.checks],
        "requests": {"total": total, "failed": failed},
        "faults": [{"step": f.of.step, "result": of_fault(f.result)} for f in result.seen.faults],
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "expectation": check.text,
        "outcome": check.outcome,
        "seen": check.seen,
        "wanted": check.wanted,
        "why": check.why,
        "measured": _number(check.measured),
        "unit": check.unit,
        "resolution": _number(check.resolution),
        "low": _number(check.low),
        "high": _number(check.high),
        "formula": check.formula,
    }


def _number(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
