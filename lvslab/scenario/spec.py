"""A scenario with every blank filled in: faults on a schedule, and what is expected of them.

All durations are seconds. What a user may write is in ``models.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lvslab.scenario.language import Sentence
from lvslab.timeline.run import Connections
from lvslab.topology.spec import TopologySpec

Origin = Literal["running", "restored"]

#: Targets by role: who that is, is decided when the fault is injected.
ACTIVE, BACKUP = "active_director", "backup_director"
ANY_SERVER, EVERY_SERVER = "any_real_server", "every_real_server"
EVERY_DIRECTOR = "every_director"
DIRECTORS = (ACTIVE, BACKUP, EVERY_DIRECTOR)
SERVERS = (ANY_SERVER, EVERY_SERVER)


@dataclass(frozen=True, slots=True)
class Steady:
    """What has to be before the first fault: every request answered ``lasting`` seconds long."""

    lasting: float = 1.0
    #: Given up after so long.
    within: float = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """What the client asks."""

    rate: float = 50.0
    deadline: float = 1.0
    connections: Connections = "short"


@dataclass(frozen=True, slots=True)
class Step:
    """One fault of the schedule."""

    #: How expectations call it.
    name: str
    fault: str
    #: A node, or one of the roles above.
    target: str
    #: After the steady state was reached; the phase comes on top.
    at: float
    #: Where in the interval that decides its detection it falls, 0 to 1; None: at random.
    phase: float | None
    #: Healed so long after it; None: when everything has been seen.
    hold: float | None
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScenarioSpec:
    """All that a run is made from."""

    name: str
    title: str
    teaches: str
    tags: tuple[str, ...]
    topology: TopologySpec
    steady: Steady
    load: Load
    steps: tuple[Step, ...]
    expect: tuple[Sentence, ...]
    repeat: int
    origin: Origin
    #: How long to watch after the last fault or heal; None: until it has settled.
    watch: float | None
    #: The file as it was written.
    source: str = ""
