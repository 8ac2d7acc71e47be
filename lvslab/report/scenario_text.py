"""Runs of scenarios for the terminal: the verdict, with the bound beside it."""

from __future__ import annotations

from collections.abc import Sequence

from lvslab.report import grouping
from lvslab.report.tables import failed_of
from lvslab.scenario.judge import ScenarioResult

_SIGNS = {"pass": "ok", "fail": "FAIL", "inconclusive": "?"}
COLUMNS = ("SCENARIO", "VERDICT", "RUNS", "WORST FIGURE", "WANTED", "OF")


def lines(result: ScenarioResult) -> list[str]:
    """Return the verdict of one run, what each expectation saw, and where the time went."""
    history = result.history
    head = f"{history.scenario.name}, run {history.index + 1}: {result.verdict}"
    told = [f"{head} ({result.why})" if result.why else head]
    width = max((len(c.text) for c in result.checks), default=0)
    for check in result.checks:
        sign = _SIGNS[check.outcome]
        bound = f"; wanted {check.wanted}" if check.wanted else ""
        told.append(f"  {sign:4}  {check.text:{width}}  {check.seen}{bound}")
        if check.outcome != "pass" and check.why:
            told.append(f"        {check.why}")
        if check.outcome != "pass" and check.formula:
            told.append(f"        bound: {check.formula}")
    total, failed = failed_of(result.seen)
    bad = ", ".join(f"{count} {kind}" for kind, count in failed.items()) or "none failed"
    told.append(f"  {total} requests: {bad}")
    return told


def summary(
    results: Sequence[ScenarioResult],
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the closing table: its columns, and a row for each scenario and topology."""
    rows: list[tuple[str, ...]] = []
    for group in grouping.groups(results):
        check = grouping.worst_check(group.results)
        rows.append(
            (
                group.name,
                group.verdict,
                f"{group.count('pass')}/{len(group.results)} pass",
                check.seen if check else "",
                check.wanted if check else "",
                check.text if check else "",
            )
        )
    return COLUMNS, rows
