"""What a user may write in a scenario file.

The text under each field is its description in the JSON schema, so editors show it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from lvslab import durations
from lvslab.topology.models import Model
from lvslab.topology.problems import shown
from lvslab.topology.values import Line, Name, Raw, bad


def _duration(value: Any) -> Any:
    if isinstance(value, float):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    seconds = durations.parse(value) if isinstance(value, str) else None
    if seconds is None:
        raise bad(f"{shown(value)} is not a duration", "write 500ms, 10s or 2m")
    return seconds


def _watch(value: Any) -> Any:
    return value if value == "auto" else _duration(value)


def _phase(value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value != "random" and not (number and 0 <= value < 1):
        raise bad(f"{shown(value)} is no phase", "a number from 0 to below 1, or random")
    return float(value) if number else value


#: From nothing on, and from a hundredth of a second on: up to an hour.
FromZero = Annotated[
    float,
    Field(ge=0.0, le=3600.0, allow_inf_nan=False),
    BeforeValidator(_duration, json_schema_input_type=str | float),
]
Duration = Annotated[
    float,
    Field(ge=0.01, le=3600.0, allow_inf_nan=False),
    BeforeValidator(_duration, json_schema_input_type=str | float),
]


class SteadyState(Model):
    """What has to be before the first fault."""

    for_: Annotated[Duration, Field(alias="for")] = 1.0
    """How long every request must have been answered in time, by each real server."""
    within: Duration = 60.0
    """Given up after so long: the verdict is then inconclusive."""


class LoadModel(Model):
    """What the client asks meanwhile."""

    rate: Annotated[float, Field(ge=1, le=100, allow_inf_nan=False)] | None = None
    """Requests a second, over all virtual servers. Default: 50, or 10 where one speaks TLS."""
    deadline: Duration = 1.0
    """What is answered later has failed."""
    connections: Literal["short", "kept", "stream"] = "short"
    """short: a connection a request. kept: one to each virtual server, and another when it has
    ended. stream: one to each for all of it; when it has ended every request has failed. What
    lasts is of HTTP: virtual servers of UDP or DNS are then not asked."""


class FaultModel(Model):
    """One fault of the schedule."""

    name: Name | None = None
    """How expectations call it. Default: the fault's own name."""
    fault: str
    """Which fault: `lvslab faults` lists them."""
    target: str | None = None
    """A node's name, or active_director, backup_director, every_director, any_real_server,
    every_real_server. Default: active_director, or any_real_server for what breaks those."""
    at: FromZero = 0.0
    """When, after the steady state was reached."""
    phase: Annotated[
        Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] | Literal["random"],
        BeforeValidator(_phase),
    ] = "random"
    """Where in the interval that decides its detection (the advert interval, or delay_loop) it
    falls, from 0 to 1. At random, so that repeats do not all read alike."""
    for_: Annotated[Duration | None, Field(alias="for")] = None
    """Healed after so long. Default: left until all was seen, and healed then."""
    with_: Annotated[dict[str, Any], Field(alias="with", default_factory=dict)]
    """The fault's parameters."""


class ScenarioModel(Model):
    """Faults on a schedule, and what is expected of them."""

    name: Name | None = None
    """Its name. Default: the file's name without its ending."""
    title: Line
    """One line: what is done, and to what."""
    teaches: Raw = ""
    """What one learns from it, in three sentences."""
    tags: Annotated[list[Name], Field(default_factory=list)]
    """For `lvslab test --tag`."""
    topology: str = "lvs-dr"
    """A topology that ships with lvslab, or a file, seen from this one."""
    with_: Annotated[dict[str, Any], Field(alias="with", default_factory=dict)]
    """What is different in that topology: laid over it, key by key."""
    steady_state: SteadyState = SteadyState()
    """What has to be before the first fault."""
    load: LoadModel = LoadModel()
    """What the client asks meanwhile."""
    faults: Annotated[list[FaultModel], Field(default_factory=list)]
    """What is done to it."""
    watch: Annotated[
        Annotated[float, Field(ge=0.01, le=3600.0, allow_inf_nan=False)] | Literal["auto"],
        BeforeValidator(_watch, json_schema_input_type=str | float | Literal["auto"]),
    ] = "auto"
    """How long to watch after the last fault or heal. Default: until all has settled."""
    expect: Annotated[list[str], Field(min_length=1)]
    """What must hold, a sentence each: docs/scenarios.md has all of them."""
    repeat: Annotated[int, Field(ge=1, le=1000)] = 1
    """How often it is run."""
    from_: Annotated[Literal["running", "restored"], Field(alias="from")] = "running"
    """From the healed lab as it is, or each time from the same restored state."""
