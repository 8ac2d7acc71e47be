"""One fault, from the steady lab to the settled outcome, watched on the engine's clock."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from lvslab.errors import CancelledError, FaultError
from lvslab.faults.model import Fault
from lvslab.faults.registry import choose
from lvslab.observe import injecting
from lvslab.observe.collector import Collector, Lab
from lvslab.observe.watching import CLIENT_BACK, CLIENT_LOST, FaultSession, OnEvent
from lvslab.timeline.result import FaultResult

__all__ = ["CLIENT_BACK", "CLIENT_LOST", "FaultSession", "OnEvent", "inject_only", "run_fault"]

#: How often to wait anew when a request fails while the moment of the fault is waited for.
_SETTLING = 5


def run_fault(
    lab: Lab,
    node: str,
    fault: str | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    hold: float | None = None,
    then_heal: bool = False,
    rate: float | None = None,
    deadline: float = 1.0,
    on_event: OnEvent | None = None,
    seed: int | None = None,
    collector: Collector | None = None,
) -> FaultResult:
    """Inject a fault, watch what follows, and return what was measured.

    ``params``: the fault's own. ``hold``: heal so many seconds after the fault and watch the
    way back too; ``then_heal``: the same, as soon as the outcome is settled. ``rate`` in
    requests a second (None: expect.usual_rate), ``deadline`` of each in seconds. ``seed``
    decides the phase of the injection (random when None; recorded).

    Raises FaultError, NotReadyError, AgentError; and CancelledError on Ctrl-C, which says
    whether the fault was healed (it is when it was to be healed) or how to heal it.
    """
    with FaultSession(
        lab,
        node,
        fault,
        params=params,
        rate=rate,
        deadline=deadline,
        on_event=on_event,
        seed=seed,
        collector=collector,
    ) as session:
        back = hold is not None or then_heal
        try:
            for _ in range(_SETTLING):
                session.wait_steady()
                session.wait_phase()
                if session.steady():
                    break
            session.inject()
            session.watch(hold)
            if back:
                session.heal()
                session.watch_back()
            return session.finish()
        except KeyboardInterrupt:
            raise _cancelled(session, heal=back) from None


def _cancelled(session: FaultSession, *, heal: bool) -> CancelledError:
    one = session.injection
    name = one.target.name
    if one.injected is None:
        return CancelledError("cancelled before the fault was injected")
    if one.healed is not None or heal:
        if one.healed is None:
            session.heal()
        return CancelledError(f"cancelled; {one.fault.name} in {name} was healed")
    return CancelledError(
        f"cancelled; the fault is left: {one.fault.name} in {name}",
        fix=f"heal it with: lvslab heal {name}",
    )


def inject_only(
    lab: Lab, node: str, fault: str | None = None, params: Mapping[str, Any] | None = None
) -> Fault:
    """Inject a fault and watch nothing; return the fault. Raises FaultError, AgentError."""
    chosen, target = choose(lab.spec, node, fault, params)
    if chosen.returns is not None:
        raise FaultError(
            f"{chosen.name} wants somebody who stays, to end it after its time",
            fix=f"watch it: lvslab fail {node} {chosen.name}",
        )
    injecting.inject(injecting.by_links(lab), lab.beside, chosen, target, secrets.token_hex(6))
    return chosen
