"""How long failovers take: every run of five faults on two topologies against its bound.

Writes docs/failover-times.md and the single figures beside it as JSON. What was measured before
is kept and counted, so it can be done in parts: ``--add 5`` makes five more runs of each.
"""

from __future__ import annotations

import argparse
import json
import secrets
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lvslab import __version__, topology
from lvslab.engine.embedded.manager import Manager
from lvslab.engine.select import machine_name, start_engine
from lvslab.lab import Lab, up
from lvslab.lab.ready import wait_ready
from lvslab.plan import agent_files, make_plan
from lvslab.progress import Silent
from lvslab.scenario.expectations import Check
from lvslab.scenario.judge import judge
from lvslab.scenario.language import parse
from lvslab.scenario.run import ScenarioRun
from lvslab.scenario.spec import ACTIVE, ANY_SERVER, Load, ScenarioSpec, Steady, Step
from lvslab.topology.spec import TopologySpec

DOCS = Path(__file__).resolve().parent.parent / "docs"
DATA = DOCS / "failover-times.json"
PAGE = DOCS / "failover-times.md"
LAB = "times"
TOPOLOGIES = ("lvs-dr", "lvs-dr-fast")


@dataclass(frozen=True, slots=True)
class Kind:
    """A fault, and what is measured of it."""

    fault: str
    target: str
    expect: str
    what: str


KINDS = (
    Kind("link-down", ACTIVE, "outage within auto", "outage"),
    Kind("keepalived-stop", ACTIVE, "outage within auto", "outage"),
    Kind("keepalived-crash", ACTIVE, "detect within auto", "takeover"),
    Kind("power-off", ACTIVE, "outage within auto", "outage"),
    Kind("httpd-stop", ANY_SERVER, "rs_removed within auto", "removal, by the slower director"),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One run. Seconds."""

    topology: str
    fault: str
    outcome: str
    measured: float | None
    resolution: float | None
    low: float | None
    high: float | None
    phase: float | None
    seed: int
    why: str


def main() -> None:
    """Make more runs, and write the page anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--add", type=int, default=0, metavar="N", help="make N more runs of each")
    parser.add_argument("--upto", type=int, default=0, metavar="N", help="make runs up to N each")
    parser.add_argument("--topology", choices=TOPOLOGIES, action="append")
    parser.add_argument("--fault", choices=[k.fault for k in KINDS], action="append")
    wanted = parser.parse_args()
    figures = [Figure(**one) for one in json.loads(DATA.read_text())] if DATA.exists() else []
    for name in wanted.topology or TOPOLOGIES:
        kinds = [k for k in KINDS if not wanted.fault or k.fault in wanted.fault]
        have = {k.fault: sum((f.topology, f.fault) == (name, k.fault) for f in figures)
                for k in kinds}  # fmt: skip
        due = [k for k in kinds for _ in range(max(wanted.add, wanted.upto - have[k.fault]))]
        if due:
            measure(name, due, figures)
    PAGE.write_text(page(figures))


def measure(name: str, due: Iterable[Kind], figures: list[Figure]) -> None:
    """Play what is due on one topology; each figure is written down as soon as it is there."""
    path = topology.builtin(name)
    assert path is not None
    spec = topology.load(path, name=LAB)
    plan = make_plan(spec, LAB, agent_files=agent_files())
    opened = start_engine("embedded", LAB, debian=spec.debian, plan=plan.digest, progress=Silent())
    try:
        with up(opened.engine, plan, progress=Silent()) as lab:
            for kind in due:
                figure = play(lab, name, kind)
                figures.append(figure)
                DATA.write_text(json.dumps([asdict(f) for f in figures], indent=1) + "\n")
                said = "-" if figure.measured is None else f"{figure.measured:.3f} s"
                sys.stdout.write(f"{name} {kind.fault} {figure.outcome} {said} {figure.why}\n")
                sys.stdout.flush()
    finally:
        Manager(Silent()).stop(machine_name(LAB))


def play(lab: Lab, name: str, kind: Kind) -> Figure:
    """Make one run."""
    wait_ready(lab, timeout=120.0, progress=Silent())
    seed = secrets.randbits(32)
    result = judge(ScenarioRun(lab, scenario(lab.spec, kind), seed=seed).play())
    check: Check = result.checks[0]
    phase = result.history.faults[0].run.phase if result.history.faults else None
    return Figure(
        name,
        kind.fault,
        check.outcome if not result.why else result.verdict,
        check.measured,
        check.resolution,
        check.low,
        check.high,
        phase,
        seed,
        result.why or check.why,
    )


def scenario(spec: TopologySpec, kind: Kind) -> ScenarioSpec:
    """Return the scenario of one fault, left until its effect has settled, then healed."""
    return ScenarioSpec(
        name=kind.fault,
        title=kind.fault,
        teaches="",
        tags=(),
        topology=spec,
        steady=Steady(),
        load=Load(),
        steps=(Step(kind.fault, kind.fault, kind.target, 0.0, None, None),),
        expect=(parse(kind.expect),),
        repeat=1,
        origin="running",
        watch=None,
    )


def page(figures: Sequence[Figure]) -> str:
    """Return docs/failover-times.md."""
    lines = [
        "# Failover times",
        "",
        "How long failovers of a real LVS-DR pair with keepalived take, run by run, beside what",
        "the protocol promises for the configuration (`lvslab bounds`). Written by `make",
        "failover-times`; the single figures are in [failover-times.json](failover-times.json).",
        "",
        "Each run: a lab that serves steadily, a fault at a random phase of the advert timer (of",
        "`delay_loop` for `httpd-stop`), a probe of 50 requests a second, times of the kernel that",
        "all nodes share ([measuring.md](measuring.md)). *Within* counts runs inside the bound,",
        "give or take the probe's resolution and 0.25 s for processes that have to wake up.",
        f"lvslab {__version__}, software emulation on 2 cores.",
        "",
        "| topology | fault | measured | runs | within | bound, s | min | p50 | p95 | max |",
        "|---|---|---|---:|---:|---|---:|---:|---:|---:|",
    ]
    rest: list[str] = []
    for name in TOPOLOGIES:
        for kind in KINDS:
            mine = [f for f in figures if (f.topology, f.fault) == (name, kind.fault)]
            if mine:
                lines.append(_row(name, kind, mine))
                rest += _others(name, mine)
    if rest:
        lines += ["", "Runs that are not within, and why:", "", *rest]
    return "\n".join(lines) + "\n"


def _row(name: str, kind: Kind, mine: Sequence[Figure]) -> str:
    told = [f for f in mine if f.outcome in ("pass", "fail") and f.measured is not None]
    values = sorted(f.measured for f in told if f.measured is not None)
    good = sum(f.outcome == "pass" for f in mine)
    first = next((f for f in mine if f.low is not None and f.high is not None), None)
    bound = "-"
    if first is not None and first.low is not None and first.high is not None:
        bound = f"{first.low:.3f}" + (f" to {first.high:.3f}" if first.high > first.low else "")
    cells: list[Any] = [name, f"`{kind.fault}`", kind.what, len(mine), good, bound]
    cells += [f"{v:.3f}" for v in _quantiles(values)] if values else ["-"] * 4
    return "| " + " | ".join(map(str, cells)) + " |"


def _quantiles(values: Sequence[float]) -> tuple[float, float, float, float]:
    if len(values) == 1:
        return (values[0],) * 4
    cuts = statistics.quantiles(values, n=20, method="inclusive")
    return values[0], cuts[9], cuts[18], values[-1]


def _others(name: str, mine: Iterable[Figure]) -> list[str]:
    return [
        f"- {name}, `{f.fault}`, seed {f.seed}: {f.outcome}"
        + ("" if f.measured is None else f", {f.measured:.3f} s")
        + (f": {f.why}" if f.why else "")
        for f in mine
        if f.outcome != "pass"
    ]


if __name__ == "__main__":
    main()
