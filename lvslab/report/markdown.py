"""Runs as Markdown, short: a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lvslab.report import grouping
from lvslab.report.grouping import Group
from lvslab.report.tables import counts
from lvslab.scenario.judge import ScenarioResult, worst

_ICONS = {"pass": "✅", "fail": "❌", "inconclusive": "❔", "aborted": "⛔"}
#: Details of so many runs; a comment that nobody scrolls through is read.
_MOST = 10


def render(results: Sequence[ScenarioResult], *, title: str) -> str:
    """Return a line that says it all, a table of the scenarios, and what did not pass."""
    verdict = worst([r.verdict for r in results])
    found = grouping.groups(results)
    told = [f"### {_ICONS[verdict]} {_plain(title)}: {verdict} ({counts(results)})", ""]
    told += ["| scenario | verdict | runs | worst figure | bound |", "|---|---|---|---|---|"]
    told += [_row(group) for group in found]
    bad = [r for r in results if r.verdict != "pass"]
    if bad:
        told += ["", f"<details><summary>What did not pass ({len(bad)})</summary>", ""]
        for result in bad[:_MOST]:
            told += _details(result)
        if len(bad) > _MOST:
            told.append(f"and {len(bad) - _MOST} more")
        told += ["", "</details>"]
    return "\n".join(told) + "\n"


def _row(group: Group) -> str:
    check = grouping.worst_check(group.results)
    cells = (
        f"`{group.name}` {_plain(group.title)}",
        f"{_ICONS[group.verdict]} {group.verdict}",
        f"{group.count('pass')}/{len(group.results)}",
        f"{_plain(check.seen)} (`{check.text}`)" if check else "",
        _plain(check.wanted) if check else "",
    )
    return "| " + " | ".join(c.replace("|", "\\|").replace("\n", " ") for c in cells) + " |"


def _details(result: ScenarioResult) -> list[str]:
    history = result.history
    told = [
        f"- **{_plain(history.scenario.name)}**, run {history.index + 1} "
        f"(seed {history.seed}): {result.verdict}"
        + (f": {_plain(result.why)}" if result.why else "")
    ]
    for check in result.checks:
        if check.outcome != "pass":
            why = f": {_plain(check.why)}" if check.why else ""
            told.append(
                f"  - `{check.text}`: seen {_plain(check.seen)}, "
                f"wanted {_plain(check.wanted) or '-'}{why}"
            )
    return told


def _plain(text: str) -> str:
    """Return text that Markdown and its HTML leave alone, on one line."""
    return re.sub(r"([\\`*_<>\[\]#@])", r"\\\1", " ".join(text.split()))
