"""The clock of the day is moved, as by an NTP client that found it wrong."""

from __future__ import annotations

from pydantic import Field

from lvslab.faults.model import Fault, Operation, Params, Target
from lvslab.faults.outside import CLOCK, beside


class ClockStep(Params):
    """How far."""

    by: float = Field(default=3600.0, ge=-86400, le=86400)
    """Seconds; negative: back."""


def _step(seconds: float) -> list[Operation]:
    words = f"{seconds:.9f}"
    return [beside(CLOCK, words, touches="clock", capabilities=("SYS_TIME",), machine=True)]


def _inject(target: Target) -> list[Operation]:
    return _step(target.given(ClockStep).by)


def _heal(target: Target) -> list[Operation]:
    return _step(-target.given(ClockStep).by)


_EXPECT = (
    "Nothing. Timers that must not be fooled run on the monotonic clock, which only goes on. All "
    "nodes share the machine, so they all see the step; only lvslab's own machine is stepped."
)

FAULT = Fault(
    name="clock-step",
    summary="move the machine's clock of the day",
    expect={
        "director": (
            f"{_EXPECT} keepalived's adverts and checks go on at their pace, and its log jumps."
        ),
        "real-server": f"{_EXPECT} httpd's log jumps.",
    },
    inject=_inject,
    heal=_heal,
    params=ClockStep,
    effect={"director": "nothing"},
    lesson={
        "director": (
            "An hour's step moved no timer. What does use the clock of the day is what people "
            "compare afterwards: two directors' logs, in the order of their time stamps."
        ),
    },
)
