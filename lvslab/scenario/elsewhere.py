"""Scenarios on a topology that they were not written for: which apply, and for how long. Pure.

Most that ship are about a setting of their own: they change the topology, name its nodes, or
expect figures that follow from its timers. On somebody's own configuration such a scenario would
judge something else than that configuration. Those with the tag ANYWHERE are about what any
cluster must do, and expect what is worked out from whatever they are played on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lvslab.faults.registry import effect_of
from lvslab.observe.expect import usual_rate
from lvslab.scenario.expectations.model import is_server
from lvslab.scenario.load import load, name_and_tags
from lvslab.scenario.spec import ACTIVE, ScenarioSpec, Step
from lvslab.timeline import bounds
from lvslab.timeline.bound import Bound
from lvslab.timeline.run import ALLOWANCE
from lvslab.topology import TopologyProblems
from lvslab.topology.spec import TopologySpec

#: The tag of a scenario that holds for any topology.
ANYWHERE = "anywhere"
#: Seconds that a fault lasts beyond what must have happened by then; and advert intervals, where
#: it leaves two holders: for fewer than two of them that is no split, but a handing over.
_AFTER, _ADVERTS_AFTER = 2.0, 3


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A scenario that is not played on this topology."""

    name: str
    why: str


def fitting(
    paths: Iterable[Path], spec: TopologySpec, *, tags: Sequence[str] = ()
) -> tuple[list[ScenarioSpec], list[LeftOut]]:
    """Return the scenarios that apply to a topology, and the others with the reason.

    Of those with one of ``tags`` only, where there are some. Faults that are healed after a
    fixed time last longer where this topology needs longer to notice them. Raises NotFoundError,
    TopologyError and TopologyProblems for a file that is no scenario.
    """
    found, left = [], []
    for path in paths:
        name, own = name_and_tags(path)
        if tags and not set(tags) & set(own):
            continue
        if ANYWHERE not in own:
            left.append(LeftOut(name, "it is about its own topology (no tag 'anywhere')"))
            continue
        try:
            scenario = load(path, topology=spec)
        except TopologyProblems as error:
            left.append(LeftOut(name, error.problems[0].message))
            continue
        why = _unfit(scenario)
        if why:
            left.append(LeftOut(name, why))
        else:
            steps = tuple(_long_enough(step, spec) for step in scenario.steps)
            rate = min(scenario.load.rate, usual_rate(spec))
            found.append(replace(scenario, steps=steps, load=replace(scenario.load, rate=rate)))
    return found, left


def _unfit(scenario: ScenarioSpec) -> str:
    """Return why a scenario that can be read says nothing of this topology; empty: it does."""
    spec = scenario.topology
    if not spec.virtual_servers:
        return "there is no virtual server to ask"
    directors = any(not is_server(s, spec) for s in scenario.steps)
    if directors and len(spec.directors) < 2:
        return "there is no second director to take over"
    for step in scenario.steps:
        if is_server(step, spec) and all(b is None for b in _bounds(step, spec)):
            return "no check removes a real server here, or nobody is left without it"
    return ""


def _long_enough(step: Step, spec: TopologySpec) -> Step:
    """Let a fault last until what the configuration promises must have happened."""
    if step.hold is None or (not is_server(step, spec) and step.target != ACTIVE):
        return step
    needed = max((b.high for b in _bounds(step, spec) if b is not None), default=0.0)
    if not is_server(step, spec) and effect_of(step.fault, "director") == "forwarding":
        needed += _ADVERTS_AFTER * max(i.advert_int for i in spec.vrrp_instances)
    return replace(step, hold=max(step.hold, needed + ALLOWANCE + _AFTER))


def _bounds(step: Step, spec: TopologySpec) -> list[Bound | None]:
    """Return what is promised after a fault of each node that the step may mean."""
    if is_server(step, spec):
        servers = [r.name for r in spec.real_servers]
        names = [step.target] if step.target in servers else servers
        return [bounds.expected(spec, step.fault, name) for name in names]
    holders = {i.by_priority()[0].director for i in spec.vrrp_instances}
    return [bounds.takeover(spec, step.fault, name) for name in sorted(holders)]
