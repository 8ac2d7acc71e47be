"""A scenario's own logic in virtual time; what a real lab does is for the integration tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from lvslab.errors import AgentError, FaultError
from lvslab.observe import recorder
from lvslab.scenario.history import History
from lvslab.scenario.judge import EXIT, judge
from lvslab.scenario.run import ScenarioRun
from lvslab.scenario.spec import Steady, Step
from lvslab.timeline.events import Event

from ..faults.simulated import VIP, Inline, SimCollector, SimLink, World
from ..plan.specs import article, pool, virtual_server
from .played import scenario, step


@pytest.fixture(autouse=True)
def virtual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "ThreadPoolExecutor", Inline)


def run_of(
    world: World, steps: Sequence[Step], *texts: str, seed: int = 1, index: int = 0, **changes: Any
) -> ScenarioRun:
    made = scenario(*(texts or ("failed_requests >= 0",)), steps=steps, spec=world.spec)
    made = replace(made, topology=world.spec, **changes)
    return ScenarioRun(
        world,  # type: ignore[arg-type]
        made,
        seed=seed,
        index=index,
        collector=SimCollector(world),  # type: ignore[arg-type]
    )


def play(world: World, steps: Sequence[Step], *texts: str, **more: Any) -> History:
    return run_of(world, steps, *texts, **more).play()


def moments(history: History) -> list[tuple[str, str, float]]:
    """Every injection and heal: what, where, and how long after the schedule's zero."""
    kinds = {"fault.injected": "in", "fault.healed": "out"}
    return [
        (kinds[e.kind], e.node, round(e.t - history.zero, 2))
        for e in sorted(history.events, key=lambda e: e.t)
        if e.kind in kinds
    ]


def healed_at_the_end(world: World) -> bool:
    return not any(world.journal.values()) and not world.off and bool(world.probes_stopped)


LINK = step("link-down", phase=0.5)


def test_a_fault_with_a_time_is_healed_after_it_and_its_way_back_is_watched():
    world = World()
    history = play(
        world,
        [replace(LINK, hold=12.0)],
        "outage within auto",
        "detect within auto",
        "new_holder == backup_director",
        "second_outage within auto",
        "holders == 1 within auto",
        "no_split",
    )
    (went, node, t), (came, _, back) = moments(history)
    assert (went, came, node) == ("in", "out", "lvs1")
    assert back - t == pytest.approx(12.0, abs=0.25)
    assert history.ending == "whole"
    assert healed_at_the_end(world)
    result = judge(history)
    assert [c.outcome for c in result.checks] == ["pass"] * 6, result.checks
    assert (result.verdict, EXIT[result.verdict]) == ("pass", 0)
    # What is promised is computed when it is judged, never written down.
    assert history.faults[0].run.promise is None
    assert history.faults[0].held == {"lvs1": (VIP,), "lvs2": ()}
    assert history.recording.recorded_until > history.zero + back + 9.0


def test_a_fault_that_nobody_heals_is_healed_at_the_end_all_the_same():
    world = World()
    history = play(world, [LINK], "outage within auto")
    assert [kind for kind, *_ in moments(history)] == ["in", "out"]
    assert healed_at_the_end(world)
    # The lab is as it was before the recording ends.
    assert world.holders == {"lvs1"}
    assert world.table["lvs1"] == {"rs1", "rs2"}
    assert judge(history).verdict == "pass"


def test_two_faults_that_overlap_are_healed_each_at_its_time():
    world = World()
    first = step("link-down", phase=0.0, hold=20.0)
    second = step("httpd-stop", "rs2", at=5.0, phase=0.5, hold=6.0)
    history = play(world, [first, second], "outage within auto", "rs_removed of httpd-stop <= 15s")
    seen = moments(history)
    assert [(kind, node) for kind, node, _ in seen] == [
        ("in", "lvs1"), ("in", "rs2"), ("out", "rs2"), ("out", "lvs1"),
    ]  # fmt: skip
    t = [t for *_, t in seen]
    # 5 s after zero, and half of a delay_loop of 6 s.
    assert t[1] == pytest.approx(8.0, abs=0.05)
    assert t[2] - t[1] == pytest.approx(6.0, abs=0.25)
    assert t[3] - t[0] == pytest.approx(20.0, abs=0.25)
    assert healed_at_the_end(world)


def test_a_heal_is_not_put_off_by_what_the_next_fault_waits_for():
    # The second waits up to a delay_loop (6 s) for its phase; the first is due meanwhile.
    first = step("keepalived-stop", phase=0.0, hold=3.0)
    second = step("httpd-stop", "rs1", at=2.0, phase=0.9)
    seen = moments(play(World(), [first, second]))
    assert [(kind, node) for kind, node, _ in seen][:3] == [
        ("in", "lvs1"), ("out", "lvs1"), ("in", "rs1"),
    ]  # fmt: skip
    assert seen[1][2] - seen[0][2] == pytest.approx(3.0, abs=0.25)
    assert seen[2][2] == pytest.approx(2.0 + 5.4, abs=0.3)


def test_two_faults_in_one_node_are_healed_one_by_one():
    first = step("keepalived-stop", "lvs2", name="one", phase=0.0, hold=10.0)
    second = step("link-down", "lvs2", name="two", at=3.0, phase=0.0, hold=3.0)
    world = World()
    history = play(world, [first, second])
    by_id = {f.run.fault_id: f.step for f in history.faults}
    seen = [
        (e.kind.removeprefix("fault."), by_id[e.data["id"]])
        for e in history.events
        if e.kind.startswith("fault.")
    ]
    assert seen == [("injected", "one"), ("injected", "two"), ("healed", "two"), ("healed", "one")]
    assert healed_at_the_end(world)


def test_faults_come_in_the_order_of_their_times_whatever_that_in_the_file():
    late = step("httpd-stop", "rs1", at=8.0, phase=0.0, hold=1.0)
    early = step("httpd-stop", "rs2", name="early", at=1.0, phase=0.0, hold=1.0)
    seen = moments(play(World(), [late, early]))
    assert [(kind, node) for kind, node, _ in seen] == [
        ("in", "rs2"), ("out", "rs2"), ("in", "rs1"), ("out", "rs1"),
    ]  # fmt: skip
    assert seen[0][2] == pytest.approx(1.0, abs=0.05)
    assert seen[2][2] == pytest.approx(8.0, abs=0.05)


# --- phases and choices ------------------------------------------------------------------


def phase_of(history: History) -> float:
    (fault,) = history.faults
    (t,) = (e.t for e in history.events if e.kind == "fault.injected")
    last = max(e.t for e in history.events if e.kind == "vrrp.advert" and e.t <= t)
    assert fault.run.phase is not None
    assert t - last == pytest.approx(fault.run.phase, abs=0.06)
    return fault.run.phase


@pytest.mark.parametrize("phase", [0.0, 0.25, 0.9])
def test_a_fixed_phase_is_that_part_of_the_advert_interval(phase: float):
    assert phase_of(play(World(), [replace(LINK, phase=phase)], watch=0.01)) == phase


def test_a_random_phase_follows_from_the_seed_and_the_number_of_the_run():
    def phase(seed: int, index: int) -> float:
        random_phase = [replace(LINK, phase=None)]
        return phase_of(play(World(), random_phase, seed=seed, index=index, watch=0.01))

    first = [phase(7, index) for index in range(4)]
    assert first == [phase(7, index) for index in range(4)]
    assert len(set(first)) == 4
    assert phase(8, 0) not in first


def test_seed_and_number_are_written_down():
    history = play(World(), [], seed=99, index=3, watch=0.01)
    assert (history.seed, history.index) == (99, 3)


# --- targets -----------------------------------------------------------------------------


def test_every_real_server_at_once():
    sorry = virtual_server(members=pool())
    world = World(article(virtual_servers=(sorry,)))
    stop = step("httpd-stop", "every_real_server", phase=0.0, hold=3.0)
    history = play(world, [stop], "failed_requests > 100")
    assert [f.step for f in history.faults] == ["httpd-stop-rs1", "httpd-stop-rs2"]
    seen = moments(history)
    assert {node for kind, node, _ in seen if kind == "out"} == {"rs1", "rs2"}
    ins = [t for kind, _, t in seen if kind == "in"]
    assert ins[0] == pytest.approx(ins[1], abs=0.25)
    assert healed_at_the_end(world)
    assert judge(history).verdict == "pass"


def test_any_real_server_is_one_and_the_seed_says_which():
    def hit(seed: int) -> str:
        stop = step("httpd-stop", "any_real_server", phase=0.0, hold=1.0)
        return moments(play(World(), [stop], seed=seed, watch=0.01))[0][1]

    hits = [hit(seed) for seed in range(8)]
    assert set(hits) == {"rs1", "rs2"}
    assert hits == [hit(seed) for seed in range(8)]


def test_the_active_director_is_who_holds_the_vip_when_its_time_has_come():
    first = step("keepalived-stop", name="one", phase=0.0)
    second = step("link-down", name="two", at=6.0, phase=0.0)
    history = play(World(), [first, second], watch=1.0)
    assert [(f.step, f.run.node) for f in history.faults] == [("one", "lvs1"), ("two", "lvs2")]
    assert history.faults[1].held == {"lvs1": (), "lvs2": (VIP,)}


class NoBackup(World):
    """One in which lvs2 never takes the VIP."""

    def vip(self, node: str, *, on: bool) -> None:
        if node != "lvs2":
            super().vip(node, on=on)


def test_a_role_that_nobody_has_any_more_ends_the_run_and_heals():
    world = NoBackup()
    first = step("keepalived-stop", name="one", phase=0.0)
    history = play(world, [first, step("link-down", at=3.0, phase=0.0)])
    assert history.ending == "aborted"
    assert history.why == "no node is the active_director now"
    assert [kind for kind, *_ in moments(history)] == ["in", "out"]
    assert healed_at_the_end(world)


# --- how long it is watched --------------------------------------------------------------


@pytest.mark.parametrize("hold", [3.0, None])
def test_it_is_watched_for_exactly_as_long_as_one_says(hold: float | None):
    world = World()
    history = play(world, [replace(LINK, hold=hold)], watch=5.0)
    last = max(e.t for e in history.events if e.kind.startswith("fault."))
    # The probe's last results come up to 2.1 s after it was stopped.
    stopped = next(t for t, node, do in world.orders if do == "probe.stop")
    assert stopped - last == pytest.approx(5.0, abs=0.3)
    assert healed_at_the_end(world)


def test_without_a_fault_it_is_watched_too():
    world = World()
    history = play(world, [], "no_outage", "share_of rs1 within auto", "holders == 1")
    assert history.recording.recorded_until - history.zero == pytest.approx(10.0, abs=1.5)
    assert [c.outcome for c in judge(history).checks] == ["pass"] * 3
    short = play(World(), [], "no_outage", watch=2.0)
    assert short.recording.recorded_until - short.zero == pytest.approx(2.0, abs=1.5)


# --- what goes wrong ---------------------------------------------------------------------


def test_a_steady_state_that_is_not_reached_is_no_verdict():
    world = World()
    world.answering.discard("rs2")
    steady = Steady(lasting=1.0, within=5.0)
    history = play(world, [LINK], "outage within auto", steady=steady)
    assert history.ending == "unsteady"
    assert "did not serve steadily within 5 s" in history.why
    assert not history.faults
    assert not moments(history)
    assert healed_at_the_end(world)
    result = judge(history)
    assert (result.verdict, EXIT[result.verdict]) == ("inconclusive", 2)
    assert result.why == history.why


class Dying(SimCollector):
    """As the events of a lab of which one node dies at a certain moment."""

    def __init__(self, world: World, node: str, at: float) -> None:
        super().__init__(world)
        self._node, self._at = node, at

    def next(self, timeout: float) -> Event | None:
        if self._world.now >= self._at:
            self._at = float("inf")
            self._world.off.add(self._node)
            raise AgentError("its container died", where=self._node)
        return super().next(timeout)


@pytest.mark.parametrize("node", ["rs2", "lvs2", "client"])
def test_an_agent_that_dies_on_the_way_ends_the_run_and_all_else_is_healed(node: str):
    world = World()
    steps = [LINK, step("httpd-stop", "rs1", at=2.0, phase=0.0)]
    run = run_of(world, steps)
    run._recorder._collector = Dying(world, node, 1008.0)  # type: ignore[assignment]
    history = run.play()
    assert history.ending == "aborted"
    assert f"{node}: its container died" in history.why
    assert not any(world.journal.values())
    assert bool(world.probes_stopped) == (node != "client")
    result = judge(history)
    assert (result.verdict, EXIT[result.verdict]) == ("aborted", 3)


def test_a_node_that_cannot_be_healed_keeps_no_other_from_it():
    world = World()
    steps = [LINK, step("httpd-stop", "rs1", at=2.0, phase=0.0)]
    run = run_of(world, steps)
    run._recorder._collector = Dying(world, "rs1", 1008.0)  # type: ignore[assignment]
    history = run.play()
    assert history.ending == "aborted"
    # rs1 cannot be asked; its own journal has it, for lvslab heal.
    assert list(filter(world.journal.get, world.journal)) == ["rs1"]
    assert history.why.count("rs1: its container died") == 2
    assert [f.run.node for f in history.faults] == ["lvs1", "rs1"]


def test_an_injection_of_which_nobody_heard_is_undone():
    world = World()
    asked = SimLink.request

    def lost(link: SimLink, do: str, **params: Any) -> dict[str, Any]:
        reply = asked(link, do, **params)
        if do == "inject":
            world._queue = [
                q for q in world._queue if getattr(q[2], "kind", "") != "fault.injected"
            ]
            raise AgentError("did not answer in time", where=link.node)
        return reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SimLink, "request", lost)
        history = play(world, [LINK])
    assert history.ending == "aborted"
    assert "lvs1: did not answer in time" in history.why
    assert not any(world.journal.values())


@pytest.mark.parametrize("at", [1000.5, 1004.0, 1008.0])
def test_ctrl_c_heals_and_is_passed_on(at: float):
    world = World()
    world.interrupt_at = at
    with pytest.raises(KeyboardInterrupt):
        play(world, [replace(LINK, hold=60.0), step("httpd-stop", "rs1", at=2.0, phase=0.0)])
    assert healed_at_the_end(world)


def test_a_fault_that_makes_no_sense_is_an_error_and_no_run():
    world = World()
    with pytest.raises(FaultError, match="makes no sense on rs1"):
        play(world, [step("keepalived-stop", "rs1")])
    assert not any(world.journal.values())
    assert world.probes_stopped


def test_scenarios_of_one_seed_fall_at_phases_of_their_own():
    one, other, again = (
        phase_of(play(World(), [step("link-down")], seed=7, name=name, watch=0.01))
        for name in ("one", "other", "one")
    )
    assert one != other
    assert one == again
