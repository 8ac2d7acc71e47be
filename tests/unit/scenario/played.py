"""Histories made by hand from the stories of ``tests/unit/timeline``, with known answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lvslab.scenario import expectations
from lvslab.scenario.expectations import Check
from lvslab.scenario.history import FaultRun, History
from lvslab.scenario.judge import judge
from lvslab.scenario.language import Sentence, parse
from lvslab.scenario.spec import Load, ScenarioSpec, Steady, Step
from lvslab.timeline.events import Event
from lvslab.timeline.run import Run
from lvslab.topology.spec import TopologySpec

from ..plan.specs import article
from ..timeline.handmade import as_events, event, vip
from ..timeline.stories import INITIAL, RUN, TARGET, VIP, answers, fault, healed, served

Story = tuple[Run, list[Event]]
HELD = {"lvs1": (VIP,), "lvs2": ()}


def step(of: str = "link-down", target: str = "active_director", **changes: Any) -> Step:
    made = Step(of, of, target, at=0.0, phase=None, hold=None)
    return replace(made, **changes)


def sentences(
    texts: Sequence[str], steps: Sequence[Step] = (), spec: TopologySpec | None = None
) -> tuple[Sentence, ...]:
    """Sentences that a scenario file could have: what makes no sense is refused."""
    found = tuple(parse(text) for text in texts)
    for one in found:
        expectations.check(one, spec or article(), steps)
    return found


def scenario(
    *texts: str, steps: Sequence[Step] = (step(),), spec: TopologySpec | None = None
) -> ScenarioSpec:
    return ScenarioSpec(
        name="by-hand",
        title="A story",
        teaches="",
        tags=(),
        topology=spec or article(),
        steady=Steady(),
        load=Load(),
        steps=tuple(steps),
        expect=sentences(texts, steps, spec),
        repeat=1,
        origin="running",
        watch=None,
    )


def played(
    story: Story,
    *texts: str,
    spec: TopologySpec | None = None,
    steps: Sequence[Step] | None = None,
    more: Sequence[FaultRun] = (),
    injected: bool = True,
    **changes: Any,
) -> History:
    """A history of one fault (and ``more``) in which this happened, and this is expected."""
    run, events = story
    target = "any_real_server" if run.role == "real-server" else "active_director"
    steps = [step(run.fault, target)] if steps is None else steps
    bare = replace(run, promise=None, promise_takeover=None, promise_back=None)
    first = (FaultRun(steps[0].name, bare, HELD),) if injected else ()
    made = History(
        scenario=scenario(*texts, steps=steps, spec=spec),
        recording=replace(bare, node="", role="client", fault="", fault_id="", address=""),
        faults=(*first, *more),
        events=tuple(events),
        zero=102.0,
        seed=7,
    )
    return replace(made, **changes)


def check(story: Story, text: str, **more: Any) -> Check:
    """How one sentence is judged on a story."""
    result = judge(played(story, text, **more))
    (found,) = result.checks
    return found


def outcome(story: Story, text: str, **more: Any) -> str:
    return check(story, text, **more).outcome


def outcomes(story: Story, table: Mapping[str, str], **more: Any) -> dict[str, str]:
    """How each of these sentences is judged on a story: to be compared with the table itself."""
    result = judge(played(story, *table, **more))
    return {found.text: found.outcome for found in result.checks}


def quiet() -> Story:
    """Twenty seconds in which all is well."""
    return RUN, [*INITIAL, *answers()]


def taken_over(seconds: float, *, until: float = 120.0) -> Story:
    """lvs1 loses its link at 105.0; so long after that lvs2 has the VIP, and serves."""
    t = 105.0 + seconds
    moved = [vip(105.003, "lvs1", added=False), vip(t, "lvs2", added=True)]
    results = answers((105.0, t), count=round((until - 100.0) * 50))
    events = [*INITIAL, fault(105.0), *moved, *results]
    return replace(RUN, recorded_until=until), [e for e in events if e.t <= until]


def removed(seconds: float, *, by: Sequence[str] = ("lvs1", "lvs2"), until: float = 125.0) -> Story:
    """rs1 stops at 103.0; so long after that these directors take it from their tables."""
    return _of_a_server([], seconds, by, until)


def put_back(seconds: float, *, by: Sequence[str] = ("lvs1", "lvs2")) -> Story:
    """The same, removed after 10 s and healed at 115.0; so long after that it is put back."""
    back = [
        event(115.0 + seconds, node, "lvs.rs", vs=TARGET, rs="172.20.1.10:80", state="UP")
        for node in by
    ]
    more = [healed(115.0, "rs1", "httpd-stop"), *back]
    return _of_a_server(more, 10.0, ("lvs1", "lvs2"), 135.0)


def _of_a_server(more: list[Event], seconds: float, by: Sequence[str], until: float) -> Story:
    run = replace(
        RUN,
        node="rs1",
        role="real-server",
        fault="httpd-stop",
        address="172.20.1.10",
        recorded_until=until,
    )
    gone = [
        event(103.0 + seconds, node, "lvs.rs", vs=TARGET, rs="172.20.1.10:80", state="DOWN")
        for node in by
    ]
    results = served(count=round((until - 100.0) * 50))
    return run, [*INITIAL, fault(103.0, "rs1", "httpd-stop"), *gone, *more, *as_events(results)]
