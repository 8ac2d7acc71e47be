"""One fault, recorded: from the steady lab to what came of it."""

from __future__ import annotations

import random
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lvslab.closing import Closing
from lvslab.errors import FaultError
from lvslab.observe import expect
from lvslab.observe.collector import Collector, Lab
from lvslab.observe.injection import Injection
from lvslab.observe.recorder import CLIENT_BACK, CLIENT_LOST, HEALING, OnEvent, Recorder
from lvslab.timeline.result import FaultResult, analyse

__all__ = ["CLIENT_BACK", "CLIENT_LOST", "HEALING", "FaultSession", "OnEvent"]


class FaultSession(Closing):
    """A recording around one fault. A context manager: it ends the probe.

    Raises FaultError when the fault makes no sense on the node or one is in it already.
    """

    def __init__(
        self,
        lab: Lab,
        node: str,
        fault: str | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        rate: float | None = None,
        deadline: float = 1.0,
        on_event: OnEvent | None = None,
        seed: int | None = None,
        collector: Collector | None = None,
    ) -> None:
        self._lab = lab
        self._seed = secrets.randbits(32) if seed is None else seed
        rate = expect.usual_rate(lab.spec) if rate is None else rate
        self._recorder = Recorder(
            lab, rate=rate, deadline=deadline, on_event=on_event, collector=collector
        )
        self.injection = Injection(self._recorder, lab, node, fault, seed=self._seed, params=params)

    def __enter__(self) -> FaultSession:
        try:
            self.injection.refuse_twice()
            self._recorder.begin()
            self.injection.prepare()
        except BaseException:
            self.close()
            raise
        return self

    def wait_steady(self) -> None:
        """Wait until each real server that should answers, and nothing fails.

        Raises NotReadyError that says what is missing.
        """
        self._recorder.wait_steady()

    def steady(self) -> bool:
        """Whether nothing fails at the moment, and each real server that should answers."""
        return self._recorder.steady()

    def wait_phase(self) -> None:
        """Wait a random part of the interval that decides how long detection takes."""
        self.injection.wait_phase(random.Random(self._seed).random())

    def inject(self) -> float:
        """Inject the fault; return its moment on the engine's clock. Raises AgentError."""
        return self.injection.inject()

    def watch(self, seconds: float | None = None) -> None:
        """Watch until the outcome is settled, or exactly ``seconds`` after the fault."""
        injected = self.injection.injected
        if injected is None:
            raise FaultError("nothing was injected", fix="inject the fault before watching it")
        if seconds is not None:
            self._recorder.wait_until(injected + seconds)
        else:
            limit = expect.limits(self.injection.run)
            self._recorder.pump(self.injection.settled, injected + limit.give_up)

    def heal(self) -> None:
        """Heal the fault. Raises AgentError."""
        self.injection.heal()

    def watch_back(self) -> None:
        """Watch until the lab is as it was: VIPs where they belong, tables full, all steady."""
        limit = expect.limits_back(self._lab.spec, self.injection.run)
        since = self.injection.healed or self._recorder.now
        self._recorder.pump(self.injection.settled_back, since + limit.give_up)

    def finish(self) -> FaultResult:
        """Stop the probe, take its last results, and return what all of it says."""
        recorder = self._recorder
        recorder.stop_probe()
        run = replace(self.injection.run, recorded_until=recorder.now, flaws=tuple(recorder.flaws))
        return analyse(run, recorder.events)

    def close(self) -> None:
        """End the probe and all subscriptions. Safe to call twice; the fault stays."""
        self._recorder.close()
