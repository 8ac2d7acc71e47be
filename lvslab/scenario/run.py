"""Plays a scenario on a lab that is up: steady state, faults on their schedule, history."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from dataclasses import replace

from lvslab.errors import EngineError, FaultError, LabError, LvslabError, NotReadyError
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
        """``seed`` decides phases and choices (random when None; recorded).

        Raises FaultError when nothing can be asked.
        """
        self.scenario = scenario
        self._lab = lab
        self._seed = secrets.randbits(32) if seed is None else seed
        self._index = index
        self._made = made or {}
        self._chance = random.Random(f"{self._seed}/{scenario.name}/{index}")
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
        self._ending: Ending = "whole"
        self._why: list[str] = []

    def play(self) -> History:
        """Play it; return what was recorded.

        A steady state that is not reached, and an agent or engine that fails on the way, end
        the history early and say so in it, and so does a fault that cannot be healed. Raises
        FaultError for what makes no sense; KeyboardInterrupt heals first.
        """
        with self._recorder as recorder:
            try:
                self._try(self._act)
                left = self._heal_all()
                if self._ending == "whole":
                    self._try(lambda: self._watch_end(left))
                self._try(recorder.stop_probe)
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
            ending=self._ending,
            why="; ".join(self._why),
            made=self._made,
        )

    def _try(self, do: Callable[[], object]) -> None:
        """Do a part of the run; what fails in it ends the run, and is written down."""
        try:
            do()
        except FaultError:
            raise
        except NotReadyError as error:
            self._end("unsteady", error)
        except (LabError, EngineError) as error:
            self._end("aborted", error)

    def _end(self, ending: Ending, error: LvslabError) -> None:
        if self._ending != "aborted":
            self._ending = ending
        self._why.append(f"{error.where}: {error.what}" if error.where else error.what)

    def _act(self) -> None:
        recorder, steady = self._recorder, self.scenario.steady
        recorder.wait_steady(steady.within, steady.lasting)
        self._zero = recorder.clock()
        for step in sorted(self.scenario.steps, key=lambda step: step.at):
            recorder.wait_until(self._zero + step.at)
            self._begin(step)
        # One heal may put off the next, so it is asked again.
        while (due := recorder.due()) is not None:
            recorder.wait_until(due)
        self._watch()

    def _begin(self, step: Step) -> None:
        """Inject one step of the schedule, and see to it that it is healed in time."""
        recorder = self._recorder
        try:
            nodes = nodes_of(step.target, self._lab.spec, recorder.held.by_node(), self._chance)
        except FaultError as error:
            # The file is right: it is the lab that has come to be otherwise.
            raise LabError(error.what, fix=error.fix) from error
        phase = self._chance.random() if step.phase is None else step.phase
        for i, node in enumerate(nodes):
            one = Injection(
                recorder, self._lab, node, step.fault, seed=self._seed, params=step.params
            )
            if i == 0:
                self._wait_phase(one, phase, first=not self._live)
            one.prepare()
            name = step.name if len(nodes) == 1 else f"{step.name}-{node}"
            self._live.append((replace(step, name=name), one))
            injected = one.inject()
            if step.hold is not None:
                # Not put off by what the next fault waits for.
                recorder.at(injected + step.hold, one.heal)

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

    def _watch_end(self, left: int) -> None:
        """Watch what follows the heal of the ``left`` faults that nobody had healed before."""
        recorder, watch = self._recorder, self.scenario.watch
        if watch is None:
            self._watch_back()
        elif left:
            recorder.wait_until(recorder.clock() + watch)

    def _watch_back(self) -> None:
        for _, one in self._live:
            if one.healed is not None:
                limit = expect.limits_back(self._lab.spec, one.run)
                self._recorder.pump(one.settled_back, one.healed + limit.give_up)

    def _heal_all(self) -> int:
        """Heal all that is in, newest first, and return how many faults that were.

        What cannot be healed keeps nothing else from being healed; it is written down.
        """
        self._recorder.drop()
        found = 0
        for _, one in reversed(self._live):
            if one.healed is None and one.ordered:
                found += 1
                self._try(one.heal)
        return found

    def _recording(self) -> Run:
        recorder = self._recorder
        return replace(
            _unrecorded(self.scenario, self._seed),
            recorded_from=recorder.recorded_from,
            recorded_until=recorder.now,
            flaws=tuple(recorder.flaws),
            macs=dict(recorder.macs),
        )


def _bare(run: Run) -> Run:
    # What is promised is computed from the topology whenever the history is judged.
    return replace(run, promise=None, promise_takeover=None, promise_back=None)


def _unrecorded(scenario: ScenarioSpec, seed: int) -> Run:
    """Return the description of a recording, before there is one."""
    spec = scenario.topology
    return Run(
        lab=spec.name,
        node="",
        role="client",
        fault="",
        fault_id="",
        client=spec.clients[0].name,
        rate=scenario.load.rate,
        deadline=scenario.load.deadline,
        targets=expect.targets(spec, scenario.load.connections),
        vips=tuple(str(v) for v in spec.vips),
        servers={str(r.address): r.name for r in spec.real_servers},
        address="",
        seed=seed,
    )


def nothing(scenario: ScenarioSpec, *, seed: int, index: int, why: str) -> History:
    """Return the history of a run that could not even begin: no lab could be had."""
    return History(
        scenario=scenario,
        recording=_unrecorded(scenario, seed),
        faults=(),
        events=(),
        zero=0.0,
        seed=seed,
        index=index,
        ending="aborted",
        why=why,
    )
