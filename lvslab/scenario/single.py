"""One fault that was injected by hand, written down as a run of a scenario of its own. Pure.

So there is one kind of history: whatever reads and judges those of scenarios reads it, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import yaml

from lvslab.scenario.history import FaultRun, History
from lvslab.scenario.language import parse
from lvslab.scenario.spec import Load, ScenarioSpec, Steady, Step
from lvslab.timeline.result import FaultResult
from lvslab.topology.spec import TopologySpec


def history_of(
    result: FaultResult,
    topology: TopologySpec,
    made: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
) -> History:
    """Return what ``lvslab test`` would have written of a scenario with this one fault.

    What is expected of it is what the configuration promises. ``made``: what it was run with;
    ``params``: the fault's own.
    """
    run = result.run
    bare = replace(run, promise=None, promise_takeover=None, promise_back=None)
    recording = replace(bare, node="", role="client", fault="", fault_id="", address="", phase=None)
    hold = None if result.heal_t is None else round(result.heal_t - result.fault_t, 3)
    step = Step(run.fault, run.fault, run.node, 0.0, run.phase, hold, dict(params or {}))
    expected = list(_expected(result))
    title = f"{run.fault} in {run.node}"
    scenario = ScenarioSpec(
        name=f"{run.fault}-{run.node}",
        title=title,
        teaches="",
        tags=(),
        topology=topology,
        steady=Steady(),
        load=Load(run.rate, run.deadline),
        steps=(step,),
        expect=tuple(parse(text) for text in expected),
        repeat=1,
        origin="running",
        watch=None,
        source=_source(title, step, expected),
    )
    return History(
        scenario=scenario,
        recording=recording,
        faults=(FaultRun(step.name, bare, _held(result)),),
        events=result.events,
        zero=result.fault_t,
        seed=run.seed or 0,
        made=dict(made or {}),
    )


def _expected(result: FaultResult) -> Iterator[str]:
    promise = result.run.promise
    if promise is not None and promise.quantity == "outage":
        yield "outage within auto"
    if result.run.promise_takeover is not None:
        yield "detect within auto"
    if result.verdict_back is not None and result.run.promise_back is not None:
        yield "second_outage within auto"


def _held(result: FaultResult) -> dict[str, tuple[str, ...]]:
    """Return the VIPs that each node held at the moment of the fault."""
    found: dict[str, tuple[str, ...]] = {}
    for vip, spans in result.holders.items():
        before = next((s for s in reversed(spans) if s.start < result.fault_t), None)
        for node in before.holders if before is not None else ():
            found[node] = (*found.get(node, ()), vip)
    return found


def _source(title: str, step: Step, expect: list[str]) -> str:
    """Return it as a scenario file, for whoever wants to run it again."""
    fault: dict[str, object] = {"fault": step.fault, "target": step.target}
    if step.hold is not None:
        fault["for"] = step.hold
    if step.params:
        fault["with"] = dict(step.params)
    file: dict[str, object] = {"title": title, "faults": [fault]}
    if expect:
        file["expect"] = expect
    return yaml.safe_dump(file, sort_keys=False)
