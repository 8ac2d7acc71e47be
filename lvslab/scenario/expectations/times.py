"""How long it took: outages, detection, and what the checks do with a real server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lvslab.scenario.expectations.model import (
    Check,
    Expectation,
    inconclusive,
    is_server,
    step_of,
)
from lvslab.scenario.language import Auto, Quantity, Sentence, SentenceError, Span
from lvslab.scenario.seen import Seen, SeenFault
from lvslab.scenario.spec import Step
from lvslab.timeline import checkbounds
from lvslab.timeline.decomposition import words_of
from lvslab.timeline.reading import STEADY_BEFORE, flaws_of
from lvslab.timeline.result import removal_times
from lvslab.timeline.run import Promise
from lvslab.timeline.run import Quantity as What
from lvslab.timeline.verdict import Verdict, judge
from lvslab.topology.spec import TopologySpec

_NOTHING = "nothing is promised of it for this configuration and fault"
_NOT_THERE = "the fault was not seen being injected"
_OUTCOME = {"within": "pass", "outside": "fail", "inconclusive": "inconclusive"}


def _outage(sentence: Sentence, seen: Seen) -> Check:
    fault = seen.fault(sentence.of)
    if fault is None:
        return inconclusive(sentence, _NOT_THERE)
    promise = fault.run.promise
    auto = promise if promise is not None and promise.quantity == "outage" else None
    return _held_to(sentence, seen, fault, "outage", auto)


def _detect(sentence: Sentence, seen: Seen) -> Check:
    fault = seen.fault(sentence.of)
    if fault is None:
        return inconclusive(sentence, _NOT_THERE)
    return _held_to(sentence, seen, fault, "takeover", fault.run.promise_takeover)


def _second_outage(sentence: Sentence, seen: Seen) -> Check:
    fault = seen.fault(sentence.of)
    if fault is None or fault.result.heal_t is None:
        return inconclusive(sentence, "the fault was not healed")
    return _held_to(sentence, seen, fault, "outage", fault.run.promise_back, back=True)


def _rs_removed(sentence: Sentence, seen: Seen) -> Check:
    fault = seen.fault(sentence.of)
    if fault is None:
        return inconclusive(sentence, _NOT_THERE)
    promise = fault.run.promise
    auto = promise if promise is not None and promise.quantity == "removal" else None
    result = fault.result
    until = seen.recording.recorded_until if result.heal_t is None else result.heal_t
    lasted = until - result.fault_t
    return _of_directors(sentence, seen, fault, removal_times(result), auto, "removed by", lasted)


def _rs_back(sentence: Sentence, seen: Seen) -> Check:
    fault = seen.fault(sentence.of)
    heal_t = fault.result.heal_t if fault is not None else None
    if fault is None or heal_t is None:
        return inconclusive(sentence, "the fault was not healed")
    times: dict[str, float] = {}
    for event in seen.events:
        if (
            event.kind == "lvs.rs"
            and event.t >= heal_t
            and event.data["state"].upper() == "UP"
            and fault.run.address in words_of(event.data["rs"])
        ):
            times.setdefault(event.node, event.t - heal_t)
    auto = _back_promise(seen.spec, fault.run.node)
    lasted = seen.recording.recorded_until - heal_t
    return _of_directors(sentence, seen, fault, times, auto, "put back by", lasted)


def _back_promise(spec: TopologySpec, server: str) -> Promise | None:
    found = [
        checkbounds.rs_back(m.check, vs.delay_loop)
        for vs in spec.virtual_servers
        for m in vs.members
        if m.server == server and m.check is not None
    ]
    if not found:
        return None
    worst = max(found, key=lambda b: b.high)
    return Promise("removal", min(b.low for b in found), worst.high, worst.formula, worst.why)


def _promise(sentence: Sentence, auto: Promise | None, what: What) -> Promise | None:
    """Return what a sentence asks for; ``<= auto`` asks for the upper end only."""
    value = sentence.value
    if isinstance(value, Auto):
        loose = auto is not None and sentence.operator == "<="
        return replace(auto, lower=0.0) if auto is not None and loose else auto
    if isinstance(value, Span):
        return Promise(what, value.low.value, value.high.value, f"expected: {value}")
    assert isinstance(value, Quantity)
    return Promise(what, 0.0, value.value, f"expected: at most {value}")


def _held_to(
    sentence: Sentence,
    seen: Seen,
    fault: SeenFault,
    what: What,
    auto: Promise | None,
    *,
    back: bool = False,
) -> Check:
    promise = _promise(sentence, auto, what)
    if promise is None:
        return inconclusive(sentence, _NOTHING)
    result = fault.result
    # The bound of a protocol is kept by processes that have to wake up; a person's own is
    # meant as it is written.
    run = result.run if isinstance(sentence.value, Auto) else replace(result.run, allowance=0.0)
    first = fault is seen.faults[0]
    steady_from = None if back or not first else result.fault_t - STEADY_BEFORE
    flaws = [*seen.flaws(), *flaws_of(result.events, result.readings, steady_from, back=back)]
    since = result.heal_t if back and result.heal_t is not None else result.fault_t
    until = None if back else result.heal_t
    verdict = judge(
        run,
        result.events,
        result.readings,
        promise,
        since,
        until,
        list(dict.fromkeys(flaws)),
        back=back,
    )
    return _check(sentence, verdict, promise, run.allowance)


def _check(sentence: Sentence, verdict: Verdict, promise: Promise, allowance: float) -> Check:
    return Check(
        sentence.text,
        _OUTCOME[verdict.outcome],  # type: ignore[arg-type]
        _figure(verdict.measured, verdict.resolution),
        wanted(promise, allowance),
        "; ".join(verdict.reasons),
        verdict.measured,
        "s",
        verdict.resolution,
        promise.lower,
        promise.upper,
        promise.formula,
    )


def _of_directors(
    sentence: Sentence,
    seen: Seen,
    fault: SeenFault,
    times: Mapping[str, float],
    auto: Promise | None,
    word: str,
    lasted: float,
) -> Check:
    """Judge when each director did something: all of them must have, in time.

    ``lasted``: for how many seconds one could see it happen.
    """
    promise = _promise(sentence, auto, "removal")
    if promise is None:
        return inconclusive(sentence, _NOTHING)
    allowance = fault.run.allowance if isinstance(sentence.value, Auto) else 0.0
    missing = [d.name for d in seen.spec.directors if d.name not in times]
    told = ", ".join(f"{word} {node} after {t:.3f} s" for node, t in sorted(times.items()))
    worst = max(times.values(), default=None)
    why, outcome = "", "pass"
    missed: float | None = None
    if missing:
        outcome, why = "fail", f"never {word} {' and '.join(missing)}"
        if lasted <= promise.upper + allowance:
            outcome = "inconclusive"
            why += f": watched for {lasted:.3f} s only, the bound is {promise.upper:.3f} s"
    elif worst is not None and worst > promise.upper + allowance:
        missed = worst - promise.upper
        outcome, why = "fail", f"{missed:.3f} s longer than promised"
    elif (best := min(times.values())) < promise.lower - allowance:
        missed = promise.lower - best
        outcome = "fail"
        why = f"{missed:.3f} s shorter than promised: something else happened"
    return Check(
        sentence.text,
        outcome,  # type: ignore[arg-type]
        told or f"{word} nobody",
        wanted(promise, allowance),
        why,
        worst,
        "s",
        0.0,
        promise.lower,
        promise.upper,
        promise.formula,
        missed - allowance if missed is not None and allowance else None,
    )


def wanted(promise: Promise, allowance: float) -> str:
    """Return ``2.805 to 3.805 s, ± 0.25 s``."""
    if promise.lower <= 0:
        text = f"at most {promise.upper:.3f} s"
    elif promise.lower == promise.upper:
        text = f"{promise.upper:.3f} s"
    else:
        text = f"{promise.lower:.3f} to {promise.upper:.3f} s"
    return f"{text}, ± {allowance:g} s" if allowance else text


def _of_a_director(sentence: Sentence, spec: TopologySpec, steps: Sequence[Step]) -> None:
    step = step_of(sentence, spec, steps)
    if is_server(step, spec):
        raise SentenceError(
            f"{sentence.subject} is about a director, and {step.name} breaks {step.target}",
            "rs_removed is about real servers",
        )


def _of_a_server(sentence: Sentence, spec: TopologySpec, steps: Sequence[Step]) -> None:
    step = step_of(sentence, spec, steps)
    if not is_server(step, spec):
        raise SentenceError(
            f"{sentence.subject} is about a real server, and {step.name} breaks {step.target}",
            "detect and new_holder are about directors",
        )


def _figure(measured: float | None, resolution: float | None) -> str:
    if measured is None:
        return "not seen"
    return f"{measured:.3f} s ± {resolution:.3f} s" if resolution else f"{measured:.3f} s"


EXPECTATIONS = (
    Expectation(
        "outage",
        "the longest time without any answer, from the fault to its heal",
        ("<=", "within"),
        ("auto", "s", "span s"),
        _outage,
        of="fault",
    ),
    Expectation(
        "detect",
        "from the fault until another director has the VIP",
        ("<=", "within"),
        ("auto", "s", "span s"),
        _detect,
        _of_a_director,
        of="fault",
    ),
    Expectation(
        "second_outage",
        "the longest time without any answer after the heal",
        ("<=", "within"),
        ("auto", "s", "span s"),
        _second_outage,
        of="fault",
    ),
    Expectation(
        "rs_removed",
        "from the fault until every director took the real server from its table",
        ("<=", "within"),
        ("auto", "s", "span s"),
        _rs_removed,
        _of_a_server,
        of="fault",
    ),
    Expectation(
        "rs_back",
        "from the heal until every director put the real server back into its table",
        ("<=", "within"),
        ("auto", "s", "span s"),
        _rs_back,
        _of_a_server,
        of="fault",
    ),
)
