"""Whether what was measured is what was promised. Pure; seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lvslab.timeline.events import Event
from lvslab.timeline.outage import Disturbance
from lvslab.timeline.reading import Reading, longest
from lvslab.timeline.run import ALLOWANCE, Promise, Run

#: Seconds by which the probe's own schedule may be late before a bound that was not kept is put
#: down to the machine: as much as is allowed for processes that have to wake up.
STALL = ALLOWANCE

Outcome = Literal["within", "outside", "inconclusive", "no-bound"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether what was measured is what was promised, and why one says so."""

    outcome: Outcome
    measured: float | None
    resolution: float | None
    reasons: tuple[str, ...]


def judge(
    run: Run,
    events: Sequence[Event],
    readings: Sequence[Reading],
    promise: Promise | None,
    since: float,
    until: float | None,
    flaws: Sequence[str],
    *,
    back: bool,
) -> Verdict:
    """Hold what was measured after ``since`` (engine's clock; ``until`` the heal) to a promise.

    ``flaws`` are the reasons for which the recording cannot tell; ``back``: of the way back.
    """
    found = [d for r in readings for d in (r.back if back else r.there)]
    quantity = promise.quantity if promise else "removal" if run.role == "real-server" else "outage"
    if quantity == "takeover":
        measured, resolution = takeover_after(events, run, since, until), 0.0
    elif quantity == "removal":
        measured, resolution = _removal(run, readings, found, since)
    else:
        measured, resolution = _outage(readings, back=back)
    if promise is None:
        return Verdict("no-bound", measured, resolution, tuple(flaws))
    if flaws:
        return Verdict("inconclusive", measured, resolution, tuple(flaws))
    if measured is None:
        lasted = (run.recorded_until if until is None else until) - since
        if lasted > promise.upper + resolution + run.allowance:
            reason = f"no {_NOUN[quantity]} within {lasted:.3f} s"
            return Verdict("outside", None, resolution, (reason,))
        reason = f"watched for {lasted:.3f} s only, the bound is {promise.upper:.3f} s"
        return Verdict("inconclusive", None, resolution, (reason,))
    # A resolution coarser than half of what is allowed cannot tell in from out; two intervals
    # are what a healthy probe always has.
    interval = max((r.interval for r in readings), default=0.0)
    servers = max(run.targets.values(), default=1) if quantity == "removal" else 1
    coarse = max(2 * servers * interval, (promise.upper - promise.lower) / 2, run.allowance / 2)
    if resolution > coarse:
        reason = (
            f"the probe's own schedule was late: the reading is good to "
            f"{resolution:.3f} s only, which cannot tell"
        )
        return Verdict("inconclusive", measured, resolution, (reason,))
    slack = resolution + run.allowance
    if measured + slack < promise.lower:
        # It breaks no promise to the client, but it is not what was to be seen.
        beyond = promise.lower - measured
        reason = f"{beyond:.3f} s shorter than promised: something else happened"
    elif measured - slack > promise.upper:
        beyond = measured - promise.upper
        reason = f"{beyond:.3f} s longer than promised"
    else:
        return Verdict("within", measured, resolution, ())
    late = max(((r.starved_back if back else r.starved)[0] for r in readings), default=0.0)
    excuse = machine_was_late(late, beyond - slack if run.allowance else None)
    if excuse is not None:
        return Verdict("inconclusive", measured, resolution, (f"{reason}; but {excuse}",))
    return Verdict("outside", measured, resolution, (reason,))


def machine_was_late(late: float, beyond: float | None) -> str | None:
    """Say that the machine, and not the protocol, may have missed a bound; None: it has not.

    ``late``: by how much the probe's own schedule was late at worst; what stops it stops
    keepalived, too. ``beyond``: by how much the bound was missed, with all that is allowed for
    processes that have to wake up taken off; None where that is nothing, as of a person's own
    figure.
    """
    told = f"the probe's own schedule was up to {late:.3f} s late meanwhile"
    if late > STALL:
        return f"the machine stalled: {told}"
    if beyond is not None and beyond <= late:
        return (
            f"all but {max(0.0, beyond):.3f} s of it is allowed for, and the machine was busy: "
            f"{told}"
        )
    return None


_NOUN = {"outage": "recovery", "takeover": "takeover", "removal": "removal from the tables"}


def _outage(readings: Sequence[Reading], *, back: bool) -> tuple[float | None, float]:
    worst = longest(readings, back=back)
    if worst is not None:
        return worst.seconds, worst.resolution
    # Nothing failed: shorter than what the probe's widest gap could have hidden.
    lateness = [r.interval + (r.starved_back if back else r.starved)[0] for r in readings]
    return 0.0, max(lateness, default=0.0)


def _removal(
    run: Run, readings: Sequence[Reading], found: Sequence[Disturbance], since: float
) -> tuple[float | None, float]:
    """Return how long requests still went to the dead real server.

    The last one that failed was sent there before the removal, and the next that would have
    been comes up to one round of the real servers later.
    """
    interval = max((r.interval for r in readings), default=0.0)
    resolution = interval * max(run.targets.values(), default=1)
    if not found:
        return 0.0, resolution + max((r.starved[0] for r in readings), default=0.0)
    last = max((d.outages[-1] for d in found), key=lambda o: o.last_failed)
    resolution += last.lateness
    if any(d.end is None for d in found):
        return None, resolution
    return max(0.0, last.last_failed - since), resolution


def takeover_after(
    events: Sequence[Event], run: Run, since: float, until: float | None
) -> float | None:
    """Return when another director had the VIP, by its kernel or its own word, after ``since``."""
    for event in events:
        if event.node == run.node or event.t < since or (until is not None and event.t > until):
            continue
        became = event.kind == "vrrp.state" and event.data["state"] == "MASTER"
        has = event.kind == "addr.add" and event.moves_vip
        if became or has:
            return event.t - since
    return None
