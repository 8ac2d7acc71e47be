"""Judged runs of a scenario made by hand: what happened is known."""

from __future__ import annotations

from dataclasses import replace

from lvslab import topology
from lvslab.scenario.history import Ending, FaultRun, History
from lvslab.scenario.judge import ScenarioResult, judge
from lvslab.scenario.language import parse
from lvslab.scenario.spec import Load, ScenarioSpec, Steady, Step
from lvslab.timeline.events import Event
from lvslab.timeline.run import Run

from ..timeline import stories
from ..timeline.handmade import as_events

TITLE = "The director <lvs1> loses its link & gets it back"


def scenario(*expect: str, name: str = "link-down") -> ScenarioSpec:
    path = topology.builtin("lvs-dr")
    assert path is not None
    return ScenarioSpec(
        name=name,
        title=TITLE,
        teaches="Nobody is told.",
        tags=("article",),
        topology=topology.load(path),
        steady=Steady(),
        load=Load(),
        steps=(Step("link-down", "link-down", "active_director", 0.0, 0.6, 5.0),),
        expect=tuple(parse(text) for text in expect or ("outage within auto",)),
        repeat=1,
        origin="running",
        watch=None,
        source="title: it\n",
    )


def history(
    spec: ScenarioSpec,
    *,
    dark: float = 3.4055,
    index: int = 0,
    ending: Ending = "whole",
    why: str = "",
) -> History:
    """lvs1 loses its link at 105.0; nothing is answered for ``dark`` seconds."""
    run, events = stories.failover()
    kept: list[Event] = [e for e in events if e.kind != "probe.result"]
    kept += as_events(stories.served((105.0005, 105.0005 + dark)))
    recording: Run = replace(run, node="", role="client", fault="", fault_id="", promise=None)
    return History(
        scenario=spec,
        recording=recording,
        faults=(FaultRun("link-down", replace(run, promise=None), {"lvs1": (stories.VIP,)}),),
        events=tuple(kept),
        zero=103.0,
        seed=7,
        index=index,
        ending=ending,
        why=why,
        made={"lvslab": "0.1", "keepalived": "2.3.3"},
    )


def passed(index: int = 0, *, dark: float = 3.4055) -> ScenarioResult:
    return judge(history(scenario(), dark=dark, index=index))


def failed(index: int = 0) -> ScenarioResult:
    return judge(history(scenario(), dark=6.0, index=index))


def aborted() -> ScenarioResult:
    spec = scenario(name="stopped")
    return judge(history(spec, ending="aborted", why="the engine went away <now>"))


def unsteady() -> ScenarioResult:
    spec = scenario(name="restless")
    return judge(history(spec, ending="unsteady", why="no steady state within 60 s"))
