"""A run as JSON. The shape is documented here and kept: keys are added, never changed.

Times (``t``, ``start``, ``end``) are seconds relative to the fault; ``engine_t`` alone is on the
engine's own clock. Lengths are seconds. ``null``: not seen, or not over when recording ended.

| key | value |
|---|---|
| ``format``, ``version`` | ``lvslab-result``, 1 |
| ``run`` | lab, node, role, fault, client, rate, deadline, seed, phase, allowance |
| ``fault`` | ``engine_t``; ``healed`` (relative) or null |
| ``outage``, ``outage_back`` | null, or seconds, resolution, start, end, failed |
| ``disturbances``, ``disturbances_back`` | list: target, seconds, resolution, start, end, \
requests, failed, share, total, by_result |
| ``requests`` | total, failed (by kind), targets: {target: by_result, served_by, interval, \
max_late, missing} |
| ``holders`` | {vip: [{start, end, nodes}]}; ``holds_now``: {vip: [nodes]} |
| ``removed`` | {director: seconds} (a real server's fault) |
| ``bound``, ``bound_takeover``, ``bound_back`` | null, or quantity, lower, upper, formula, why |
| ``verdict``, ``verdict_takeover``, ``verdict_back`` | outcome (within, outside, inconclusive, \
no-bound), measured, resolution, reasons; null where it does not apply |
| ``decomposition``, ``decomposition_back`` | null, or seconds and parts: a list of since, until, \
seconds |
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from lvslab.timeline.decomposition import Decomposition
from lvslab.timeline.outage import Disturbance, Outage
from lvslab.timeline.result import FaultResult, Verdict, removal_times
from lvslab.timeline.run import Promise

FORMAT = "lvslab-result"
VERSION = 1
_RUN = (
    "lab",
    "node",
    "role",
    "fault",
    "client",
    "rate",
    "deadline",
    "seed",
    "phase",
    "allowance",
)


def to_dict(result: FaultResult) -> dict[str, Any]:
    """Return the result as JSON-able data, in the shape that the module documents."""
    run, zero = result.run, result.fault_t
    return {
        "format": FORMAT,
        "version": VERSION,
        "run": {key: getattr(run, key) for key in _RUN},
        "fault": {"engine_t": zero, "healed": _at(result.heal_t, zero)},
        "outage": _outage(result.outage, zero),
        "outage_back": _outage(result.outage_back, zero),
        "disturbances": [_disturbance(r.target, d, zero) for r in result.readings for d in r.there],
        "disturbances_back": [
            _disturbance(r.target, d, zero) for r in result.readings for d in r.back
        ],
        "requests": {
            "total": result.requests,
            "failed": result.failed,
            "targets": {
                r.target: {
                    "by_result": dict(r.by_result),
                    "served_by": dict(r.shares),
                    "interval": _ms(r.interval),
                    "max_late": _ms(r.max_late),
                    "missing": r.missing,
                }
                for r in result.readings
            },
        },
        "holders": {
            vip: [
                {"start": _at(s.start, zero), "end": _at(s.end, zero), "nodes": list(s.holders)}
                for s in spans
            ]
            for vip, spans in result.holders.items()
        },
        "holds_now": {vip: list(who) for vip, who in result.holds_now.items()},
        "removed": {n: _ms(t) for n, t in removal_times(result).items()},
        "bound": _promise(run.promise),
        "bound_takeover": _promise(run.promise_takeover),
        "bound_back": _promise(run.promise_back),
        "verdict": _verdict(result.verdict),
        "verdict_takeover": _verdict(result.verdict_takeover),
        "verdict_back": _verdict(result.verdict_back),
        "decomposition": _split(result.decomposition),
        "decomposition_back": _split(result.decomposition_back),
    }


def _ms(seconds: float | None) -> float | None:
    # Microseconds are what the agent has; more digits are a float's, not a measurement's.
    return None if seconds is None else round(seconds, 6)


def _at(t: float | None, zero: float) -> float | None:
    return None if t is None else _ms(t - zero)


def _outage(outage: Outage | None, zero: float) -> dict[str, Any] | None:
    if outage is None:
        return None
    return {
        "seconds": _ms(outage.seconds),
        "resolution": _ms(outage.resolution),
        "start": _at(outage.start, zero),
        "end": _at(outage.end, zero),
        "failed": outage.failed,
    }


def _disturbance(target: str, found: Disturbance, zero: float) -> dict[str, Any]:
    return {
        "target": target,
        "seconds": _ms(found.seconds),
        "resolution": _ms(found.resolution),
        "start": _at(found.start, zero),
        "end": _at(found.end, zero),
        "requests": found.requests,
        "failed": found.failed,
        "share": round(found.share, 4),
        "total": found.total,
        "by_result": dict(found.by_result),
    }


def _promise(promise: Promise | None) -> dict[str, Any] | None:
    return None if promise is None else asdict(promise)


def _verdict(verdict: Verdict | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    return {
        "outcome": verdict.outcome,
        "measured": _ms(verdict.measured),
        "resolution": _ms(verdict.resolution),
        "reasons": list(verdict.reasons),
    }


def _split(split: Decomposition | None) -> dict[str, Any] | None:
    if split is None:
        return None
    return {
        "seconds": _ms(split.seconds),
        "parts": [
            {"since": p.since, "until": p.until, "seconds": _ms(p.seconds)} for p in split.parts
        ],
    }
