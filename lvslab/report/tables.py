"""The same figures as the plots have, as tables. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median

import yaml

from lvslab.report import grouping, lanes
from lvslab.report.grouping import Group
from lvslab.scenario.judge import ScenarioResult
from lvslab.scenario.seen import Seen
from lvslab.timeline.decomposition import Decomposition
from lvslab.topology.spec import TopologySpec


@dataclass(frozen=True, slots=True)
class Table:
    """A table; cells are text as a person reads it."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    #: Whether the last row is the sum of the others.
    total: bool = False


@dataclass(frozen=True, slots=True)
class ExpectationRow:
    """An expectation over all runs of a scenario."""

    text: str
    outcome: str
    #: Seen in the only run, or over all runs.
    seen: str
    wanted: str
    formula: str
    kept: str
    why: str


def counts(results: Sequence[ScenarioResult]) -> str:
    """Return ``12 pass, 1 fail``."""
    found = Counter[str](r.verdict for r in results)
    order = ("pass", "fail", "inconclusive", "aborted")
    return ", ".join(f"{found[v]} {v}" for v in order if found[v]) or "no runs"


def expectations(group: Group) -> list[ExpectationRow]:
    """Return each expectation of a scenario with what was seen, over all its runs."""
    spread = {d.text: d for d in grouping.distributions(group)}
    rows = []
    for text in dict.fromkeys(c.text for r in group.results for c in r.checks):
        checks = [c for r in group.results for c in r.checks if c.text == text]
        bad = [c for c in checks if c.outcome != "pass"]
        outcome = next((c.outcome for c in bad if c.outcome == "fail"), None)
        shown = bad[0] if bad else checks[0]
        seen = shown.seen
        if len(checks) > 1 and text in spread:
            of = spread[text]
            seen = f"p50 {of.p50:.3f}, p95 {of.p95:.3f}, max {of.max:.3f} {of.unit}".rstrip()
        elif len({c.seen for c in checks}) > 1:
            seen = f"{shown.seen} (one of {len(checks)})"
        rows.append(
            ExpectationRow(
                text,
                outcome or (bad[0].outcome if bad else "pass"),
                seen,
                shown.wanted,
                shown.formula,
                f"{len(checks) - len(bad)} of {len(checks)}",
                "; ".join(dict.fromkeys(c.why for c in checks if c.why)),
            )
        )
    return rows


def of_run(seen: Seen) -> tuple[Table, ...]:
    """Return the tables of one run, without those that would be empty."""
    found = (
        _requests(seen),
        _served(seen),
        _stretches("Who held each VIP", "VIP", lanes.holding(seen)),
        _stretches("VRRP states", "director", lanes.states(seen)),
        _stretches("IPVS rows", "row", lanes.tables(seen)),
        _packets(seen),
        _events(seen),
    )
    return tuple(t for t in found if t.rows)


def decompositions(seen: Seen) -> tuple[Table, ...]:
    """Return where the time of each outage went; the parts sum to the whole."""
    found = []
    for fault in seen.faults:
        what = f"{fault.run.fault} in {fault.run.node}"
        result = fault.result
        if result.decomposition is not None:
            found.append(_split(f"Where the time went: {what}", result.decomposition))
        if result.decomposition_back is not None:
            caption = f"Where the time went after the heal: {what}"
            found.append(_split(caption, result.decomposition_back))
    return tuple(found)


def zooms(seen: Seen) -> tuple[tuple[str, float, float], ...]:
    """Return what is worth a closer look: each fault, heal and outage, as name, from, to."""
    found = []
    for fault in seen.faults:
        result = fault.result
        at = result.fault_t - seen.begin
        name = fault.run.fault
        found.append((f"{name}: the moment", at - 0.5, at + 1.5))
        for word, outage in (("outage", result.outage), ("second outage", result.outage_back)):
            if outage is not None and outage.start is not None and outage.end is not None:
                start, end = outage.start - seen.begin, outage.end - seen.begin
                pad = 0.15 * (end - start) + 0.1
                found.append((f"{name}: {word}", start - pad, end + pad))
    return tuple((name, round(a, 3), round(b, 3)) for name, a, b in found)


def topology_yaml(spec: TopologySpec) -> str:
    """Return the topology with every blank filled in."""
    plain = json.loads(json.dumps(asdict(spec), default=str))
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100))


def _split(caption: str, of: Decomposition) -> Table:
    rows = [(p.since, p.until, f"{p.seconds:+.3f} s", p.note) for p in of.parts]
    rows.append((of.marks[0].what, of.marks[-1].what, f"{of.seconds:+.3f} s", "the whole"))
    return Table(caption, ("from", "to", "took", ""), tuple(rows), total=True)


def _phases(seen: Seen) -> list[tuple[str, float, float]]:
    start, end = lanes.limits(seen)
    heals = [f.result.heal_t - seen.begin for f in seen.faults if f.result.heal_t is not None]
    if not seen.faults:
        return [("whole run", start, end)]
    if not heals:
        return [("before the fault", start, 0.0), ("from the fault on", 0.0, end)]
    last = max(heals)
    return [
        ("before the fault", start, 0.0),
        ("until the last heal", 0.0, last),
        ("after it", last, end),
    ]


def _requests(seen: Seen) -> Table:
    kinds = list(dict.fromkeys(["ok", *(r.result for r in seen.requests)]))
    rows = []
    for name, start, end in _phases(seen):
        mine = [r for r in seen.requests if start <= r.due - seen.begin < end]
        good = [(r.end - r.start) * 1000 for r in mine if r.good]
        latency = f"{median(good):.1f}" if good else "-"
        highest = f"{max(good):.1f}" if good else "-"
        by = Counter(r.result for r in mine)
        rows.append((name, str(len(mine)), *(str(by[k]) for k in kinds), latency, highest))
    columns = ("when", "requests", *kinds, "median ms (ok)", "max ms (ok)")
    return Table("Requests, by outcome", columns, tuple(rows))


def _served(seen: Seen) -> Table:
    names = list(seen.recording.servers.values())
    rows = []
    for phase, start, end in _phases(seen):
        by = Counter(
            seen.recording.servers.get(r.server or "", r.server or "")
            for r in seen.requests
            if r.good and start <= r.due - seen.begin < end
        )
        rows.append((phase, *(str(by[n]) for n in names)))
    return Table("Answers, by real server", ("when", *names), tuple(rows))


def _stretches(caption: str, what: str, stretches: Iterable[lanes.Stretch]) -> Table:
    rows = [
        (s.row, s.label, f"{s.start:.3f}", f"{s.end:.3f}", f"{s.seconds:.3f}") for s in stretches
    ]
    return Table(caption, (what, "is", "from, s", "to, s", "long, s"), tuple(rows))


def _packets(seen: Seen) -> Table:
    ticks = [t for t in lanes.ticks(seen) if t.kind != "event"]
    rows = []
    for node, kind in dict.fromkeys((t.node, t.kind) for t in ticks):
        mine = [t.t for t in ticks if (t.node, t.kind) == (node, kind)]
        rows.append((node, kind, str(len(mine)), f"{mine[0]:.3f}", f"{mine[-1]:.3f}"))
    return Table("Packets sent", ("node", "what", "number", "first, s", "last, s"), tuple(rows))


def _events(seen: Seen) -> Table:
    rows = [(f"{t.t:.3f}", t.node, t.text) for t in lanes.ticks(seen) if t.kind == "event"]
    return Table("Other events", ("s", "node", "what"), tuple(rows))


def failed_of(seen: Seen) -> tuple[int, dict[str, int]]:
    """Return how many requests there were, and how many failed, by outcome."""
    by = Counter[str](r.result for r in seen.requests if not r.good)
    return len(seen.requests), dict(by)
