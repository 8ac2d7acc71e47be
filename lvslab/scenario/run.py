"""Plays a scenario on a lab that is up: steady state, faults on their schedule, history."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from dataclasses import replace

from lvslab.errors import FaultError, LabError, NotReadyError
from lvslab.observe import expect
from lvslab.observe.collector import Collector, Lab
from lvslab.observe.injection import Injection
from lvslab.observe.recorder import OnEvent, Recorder
from lvslab.scenario.history import Ending, FaultRun, History
from lvslab.scenario.roles import nodes_of
from lvslab.scenario.spec import ScenarioSpec, Step
from lvslab.timeline.run import Run

#: How often to wait anew when a request fails while the moment of the fault is waited for.
_SETTLING = 5
#: Seconds that a scenario without a fault is watched, unless it says how long.
_WATCHED = 10.0


class ScenarioRun:
    """One run of a scenario. Every fault in it is healed when it ends, however it ends."""

    def __init__(
        self,
        lab: Lab,
        scenario: ScenarioSpec,
        *,
        seed: int | None = None,
        index: int = 0,
        made: dict[str, str] | None = None,
        on_event: OnEvent | None = None,
        collector: Collector | None = None,
    ) -> None:
        """``seed`` decides phases and choices (random when None; recorded)."""
        self.scenario = scenario
        self._lab = lab
        self._seed = secrets.randbits(32) if seed is None else seed
        self._index = index
        self._made = made or {}
        self._chance = random.Random(f"{self._seed}/{index}")
        self._recorder = Recorder(
            lab,
            rate=scenario.load.rate,
            deadline=scenario.load.deadline,
            connections=scenario.load.connections,
            on_event=on_event,
            collector=collector,
        )
        self._zero = 0.0
        self._live: list[tuple[Step, Injection]] = []

    def play(self) -> History:
        """Play it; return what was recorded.

        A steady state that is not reached, and an agent or engine that fails on the way, end
        the history early and say so in it. Raises FaultError for what makes no sense, and
        whatever cannot be healed; KeyboardInterrupt heals first.
        """
        recorder = self._recorder
        ending: Ending = "whole"
        why = ""
        with recorder:
            try:
                try:
                    self._act()
                except NotReadyError as error:
                    ending, why = "unsteady", error.what
                except FaultError:
                    raise
                except LabError as error:
                    ending, why = "aborted", str(error)
                self._heal_all()
                if ending == "whole":
                    self._watch_back()
                recorder.stop_probe()
            except BaseException:
                self._heal_all()
                raise
        return History(
            scenario=self.scenario,
            recording=self._recording(),
            faults=tuple(
                FaultRun(step.name, _bare(one.run), {n: tuple(v) for n, v in one.held.items()})
                for step, one in self._live
                if one.injected is not None
            ),
            events=tuple(recorder.events),
            zero=self._zero,
            seed=self._seed,
            index=self._index,
            ending=ending,
            why=why,
            made=self._made,
        )

    def _act(self) -> None:
        recorder, steady = self._recorder, self.scenario.steady
        # An order that is carried out late stays in its place: heals and faults by their times.
        todo: list[tuple[float, Callable[[], None]]] = []
        recorder.wait_steady(steady.within, steady.lasting)
        self._zero = recorder.clock()
        for step in self.scenario.steps:
            todo.append((self._zero + step.at, lambda step=step: self._begin(step, todo)))  # type: ignore[misc]
        while todo:
            todo.sort(key=lambda one: one[0])
            t, do = todo.pop(0)
            recorder.wait_until(t)
            do()
        self._watch()

    def _begin(self, step: Step, todo: list[tuple[float, Callable[[], None]]]) -> None:
        """Inject one step of the schedule, and put its heal onto it."""
        recorder = self._recorder
        nodes = nodes_of(step.target, self._lab.spec, recorder.held.by_node(), self._chance)
        phase = self._chance.random() if step.phase is None else step.phase
        for i, node in enumerate(nodes):
            one = Injection(recorder, self._lab, node, step.fault, seed=self._seed)
            if i == 0:
                self._wait_phase(one, phase, first=not self._live)
            one.prepare()
            name = step.name if len(nodes) == 1 else f"{step.name}-{node}"
            self._live.append((replace(step, name=name), one))
            one.inject()
            if step.hold is not None and one.injected is not None:
                todo.append((one.injected + step.hold, one.heal))

    def _wait_phase(self, one: Injection, phase: float, *, first: bool) -> None:
        """Wait the phase; anew, where a request failed meanwhile and no fault is in yet."""
        steady = self.scenario.steady
        for _ in range(_SETTLING):
            one.wait_phase(phase)
            if not first or self._recorder.steady():
                return
            self._recorder.wait_steady(steady.within, steady.lasting)

    def _watch(self) -> None:
        """Watch until all has settled, or as long as the scenario says."""
        recorder, watch = self._recorder, self.scenario.watch
        if watch is not None or not self._live:
            recorder.wait_until(recorder.clock() + (watch or _WATCHED))
            return
        for _, one in self._live:
            if one.healed is None and one.injected is not None:
                recorder.pump(one.settled, one.injected + expect.limits(one.run).give_up)
        self._watch_back()

    def _watch_back(self) -> None:
        for _, one in self._live:
            if one.healed is not None:
                limit = expect.limits_back(self._lab.spec, one.run)
                self._recorder.pump(one.settled_back, one.healed + limit.give_up)

    def _heal_all(self) -> None:
        """Heal what is in, newest first. Raises AgentError."""
        for _, one in reversed(self._live):
            if one.injected is not None and one.healed is None:
                one.heal()

    def _recording(self) -> Run:
        recorder, spec = self._recorder, self._lab.spec
        return Run(
            lab=spec.name,
            node="",
            role="client",
            fault="",
            fault_id="",
            client=recorder.client,
            rate=recorder.rate,
            deadline=recorder.deadline,
            targets=recorder.targets,
            vips=tuple(str(v) for v in spec.vips),
            servers={str(r.address): r.name for r in spec.real_servers},
            address="",
            seed=self._seed,
            recorded_from=recorder.recorded_from,
            recorded_until=recorder.now,
            flaws=tuple(recorder.flaws),
            macs=dict(recorder.macs),
        )


def _bare(run: Run) -> Run:
    # What is promised is computed from the topology whenever the history is judged.
    return replace(run, promise=None, promise_takeover=None, promise_back=None)


def play(lab: Lab, scenario: ScenarioSpec, **more: object) -> History:
    """Play a scenario once; see :class:`ScenarioRun` for what else can be said."""
    return ScenarioRun(lab, scenario, **more).play()  # type: ignore[arg-type]
