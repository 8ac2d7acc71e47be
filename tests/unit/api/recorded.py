"""Measurements as ``lab.fail()`` returns them, from the simulated lab."""

from __future__ import annotations

from typing import Any

from lvslab.api.results import Measured
from lvslab.observe.session import run_fault
from lvslab.scenario.seen import see
from lvslab.scenario.single import history_of

from ..faults.simulated import SimCollector, World


def measured(*args: Any, world: World | None = None, **kwargs: Any) -> Measured:
    """Play one fault in virtual time; seconds of it take milliseconds."""
    world = world or World()
    result = run_fault(world, *args, collector=SimCollector(world), **{"seed": 1} | kwargs)  # type: ignore[arg-type]
    history = history_of(result, world.spec, {"lvslab": "0"})
    return Measured(history, see(history).faults[0])
