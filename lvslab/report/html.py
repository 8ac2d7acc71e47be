"""Runs as one HTML file that needs nothing else: no network, no other file.

The plots are plotly.js's, whose bundle (of the plotly package) is put into the file once; a plot
is built when it comes into view, from data that lies in the page, so that a report of hundreds
of runs opens as quickly as one of a few.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from lvslab import __version__
from lvslab.errors import LvslabError
from lvslab.plan.render import keepalived_conf
from lvslab.report import figures, grouping, spread, tables
from lvslab.report.grouping import Distribution, Group
from lvslab.scenario.judge import ScenarioResult, worst
from lvslab.templates import templates
from lvslab.topology.spec import TopologySpec

#: A sign for each verdict; the word stands beside it, always.
ICONS = {"pass": "✔", "fail": "✘", "inconclusive": "?", "aborted": "⊘"}


@dataclass(frozen=True, slots=True)
class _RunView:
    """One run, as the template reads it."""

    id: str
    number: int
    result: ScenarioResult
    open: bool
    figure: str
    label: str
    zooms: tuple[tuple[str, float, float], ...]
    splits: tuple[tables.Table, ...]
    tables: tuple[tables.Table, ...]


def render(results: Sequence[ScenarioResult], *, title: str, command: str) -> str:
    """Return the report; ``command`` is what made it, shown so that it can be run again.

    Raises LvslabError where plotly is not installed.
    """
    found = grouping.groups(results)
    views = [_group(group, first=i == 0) for i, group in enumerate(found)]
    return (
        templates("lvslab.report", html=True)
        .get_template("report.html.j2")
        .render(
            title=title,
            command=command,
            version=__version__,
            verdict=worst([r.verdict for r in results]),
            counts=tables.counts(results),
            groups=views,
            icons=ICONS,
            plotly=_plotly(),
            css=_asset("report.css"),
            js=_asset("report.js"),
        )
    )


def _group(group: Group, *, first: bool) -> dict[str, Any]:
    identity = f"{group.name}-{group.topology}".replace("/", "-").replace(" ", "-")
    spec = group.results[0].history.scenario
    shown = next((r for r in group.results if r.verdict != "pass"), group.results[0])
    runs = [
        _run(r, f"{identity}-{i}", i + 1, opened=r is shown and (first or r.verdict != "pass"))
        for i, r in enumerate(group.results)
    ]
    worst_check = grouping.worst_check(group.results)
    return {
        "id": identity,
        "of": group,
        "spec": spec,
        "worst": worst_check,
        "expectations": tables.expectations(group),
        "distributions": [
            {"of": d, "figure": _json(spread.distribution(d)), "label": _distribution_label(d)}
            for d in grouping.distributions(group)
        ],
        "runs": runs,
        "made": dict(group.results[0].history.made),
        "seeds": list(dict.fromkeys(r.history.seed for r in group.results)),
        "topology": tables.topology_yaml(spec.topology),
        "confs": _confs(spec.topology),
        "again": f"lvslab test {group.name} --seed {group.results[0].history.seed}"
        f" --repeat {len(group.results)}",
    }


def _run(result: ScenarioResult, identity: str, number: int, *, opened: bool) -> _RunView:
    seen = result.seen
    failed = sum(not r.good for r in seen.requests)
    told = "; ".join(f"{c.text}: {c.seen}" for c in result.checks)
    label = (
        f"Run {number}, {result.verdict}: {len(seen.requests)} requests over time, {failed} "
        f"failed; who held each VIP, VRRP states, IPVS rows, packets. "
        f"{told}. The tables below have the figures."
    )
    return _RunView(
        identity,
        number,
        result,
        opened,
        _json(figures.run(seen)),
        label,
        tables.zooms(seen),
        tables.decompositions(seen),
        tables.of_run(seen),
    )


def _distribution_label(of: Distribution) -> str:
    return (
        f"{of.text}: {len(of.dots)} runs, median {of.p50:.3f}, 95th percentile {of.p95:.3f}, "
        f"largest {of.max:.3f} {of.unit}; wanted: {of.wanted}; kept by {of.passed}."
    )


def _confs(spec: TopologySpec) -> list[tuple[str, str]]:
    return [(d.name, keepalived_conf(spec, d)) for d in spec.directors]


def _json(value: object) -> str:
    # Inside a script element only "<" could end it, or begin a comment.
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _plotly() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise LvslabError(
            "the HTML report needs plotly, which is not installed",
            fix="pip install plotly",
        ) from error
    return str(get_plotlyjs())


def _asset(name: str) -> str:
    return (files("lvslab.report") / "templates" / name).read_text(encoding="utf-8")
