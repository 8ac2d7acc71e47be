"""What became of the requests: how many failed, who answered, and whether any had to wait."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from lvslab.scenario.expectations.model import Check, Expectation, inconclusive
from lvslab.scenario.language import Auto, Quantity, Sentence, SentenceError, Span
from lvslab.scenario.seen import Seen
from lvslab.scenario.spec import Step
from lvslab.timeline.events import ProbeResult
from lvslab.timeline.outage import Outage, interval_of, outages, silence
from lvslab.topology.spec import TopologySpec

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}
_WORDS = {"<=": "at most", "<": "less than", ">=": "at least", ">": "more than", "==": "",
          "!=": "other than"}  # fmt: skip


_MISSING = "results of the probe are missing in that time"


def _failed(sentence: Sentence, seen: Seen) -> Check:
    since, until = seen.window(sentence)
    requests = seen.requests_in(since, until)
    failed = sum(not r.good for r in requests)
    value = sentence.value
    if seen.missing(requests):
        return inconclusive(sentence, _MISSING)
    if not requests or not isinstance(value, Quantity) or sentence.operator is None:
        return inconclusive(sentence, "there was no request in that time")
    measured = 100 * failed / len(requests) if value.unit == "%" else float(failed)
    good = _COMPARE[sentence.operator](measured, value.value)
    kinds: dict[str, int] = {}
    for request in requests:
        if not request.good:
            kinds[request.result] = kinds.get(request.result, 0) + 1
    told = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
    return _judged(
        sentence,
        seen,
        good,
        f"{failed} of {len(requests)}" + (f" ({told})" if told else ""),
        f"{_WORDS[sentence.operator]} {value}".strip(),
        measured,
        value.unit,
    )


def _share(sentence: Sentence, seen: Seen) -> Check:
    since, until = seen.window(sentence)
    requests = seen.requests_in(since, until)
    if seen.missing(requests):
        return inconclusive(sentence, _MISSING)
    served = [r for r in requests if r.good]
    if not served:
        return inconclusive(sentence, "nothing was answered in that time")
    address = next(str(r.address) for r in seen.spec.real_servers if r.name == sentence.of)
    mine = sum(r.server == address for r in served)
    share = 100 * mine / len(served)
    value = sentence.value
    # One request more or less is no other share.
    one = 100 / len(served)
    if isinstance(value, Auto):
        wanted = _promised_share(seen.spec, sentence.of or "", seen.recording.targets)
        slack = 2 * one * len(seen.recording.targets) + 1.0
        good, said = abs(share - wanted) <= slack, f"{wanted:.1f}%, give or take {slack:.1f}%"
    elif isinstance(value, Span):
        good = value.low.value - one <= share <= value.high.value + one
        said = f"{value.low} to {value.high}"
    elif isinstance(value, Quantity) and sentence.operator == "==":
        good, said = abs(share - value.value) <= (one if value.value else 0), str(value)
    else:
        assert isinstance(value, Quantity)
        assert sentence.operator is not None
        good = _COMPARE[sentence.operator](share, value.value)
        said = f"{_WORDS[sentence.operator]} {value}"
    return _judged(
        sentence, seen, good, f"{share:.1f}% ({mine} of {len(served)})", said, share, "%"
    )


def _promised_share(spec: TopologySpec, server: str, targets: Collection[str]) -> float:
    """Return a real server's share in percent as rr and wrr define it, over all targets."""
    shares = []
    for vs in spec.virtual_servers:
        weights = {m.server: m.weight if vs.scheduler == "wrr" else min(1, m.weight)
                   for m in vs.members}  # fmt: skip
        if vs.key in targets:
            shares.append(100 * weights.get(server, 0) / max(1, sum(weights.values())))
    return sum(shares) / max(1, len(shares))


def _check_share(sentence: Sentence, spec: TopologySpec, _steps: Sequence[Step]) -> None:
    if isinstance(sentence.value, Auto) and sentence.operator not in ("within", "=="):
        raise SentenceError(
            f"what is promised is no limit for {sentence.operator!r}", "write 'within auto'"
        )
    if isinstance(sentence.value, Quantity) and sentence.operator == "within":
        raise SentenceError("'within' wants a range", "45%..55%, or == 50%, or auto")
    others = {vs.scheduler for vs in spec.virtual_servers} - {"rr", "wrr"}
    if isinstance(sentence.value, Auto) and others:
        raise SentenceError(
            f"the scheduler {', '.join(sorted(others))} promises no share", "rr and wrr do"
        )


def _no_outage(sentence: Sentence, seen: Seen) -> Check:
    since, until = seen.window(sentence)
    worst: float | None = 0.0
    failed = 0
    requests = seen.requests_in(since, until)
    if not requests:
        return inconclusive(sentence, "there was no request in that time", "none")
    if seen.missing(requests):
        return inconclusive(sentence, _MISSING, "none")
    for target in seen.recording.targets:
        mine = [r for r in requests if r.target == target]
        interval = interval_of(mine, len(seen.recording.targets) / seen.recording.rate)
        failed += sum(not r.good for r in mine)
        for one in [*outages(mine, interval), *_silences(mine, interval, since)]:
            worst = None if one.seconds is None or worst is None else max(worst, one.seconds)
    good = failed == 0 and worst == 0.0
    told = "every request was answered in time"
    if not good:
        length = "not over at the end" if worst is None else f"{worst:.3f} s"
        told = f"{failed} of {len(requests)} failed, longest outage {length}"
    return _judged(sentence, seen, good, told, "none", worst, "s")


def _silences(mine: Sequence[ProbeResult], interval: float, since: float) -> list[Outage]:
    found = silence(mine, interval, since, None)
    # One in which the probe itself was late for as long tells of this machine alone.
    return [] if found is None or (found.seconds or 0.0) <= found.resolution else [found]


def _survives(sentence: Sentence, seen: Seen) -> Check:
    since, until = seen.window(sentence)
    ended = [e for e in seen.events if e.kind == "probe.connection" and since <= e.t <= until]
    told = "; ".join(
        f"{e.data['target']}: {e.data['result']} {e.t - seen.begin:+.3f} s after the fault"
        f" ({e.data['detail']})"
        for e in ended
    )
    answered = sum(r.good for r in seen.requests_in(since, until))
    if not ended and not answered:
        told = "nothing was answered on it any more"
    good = not ended and answered > 0
    return _judged(
        sentence, seen, good, told or f"{answered} answers on it", "it goes on", None, ""
    )


def _breaks(sentence: Sentence, seen: Seen) -> Check:
    check = _survives(sentence, seen)
    other = {"pass": "fail", "fail": "pass"}.get(check.outcome, check.outcome)
    return replace(check, outcome=other, wanted="it ends")  # type: ignore[arg-type]


def _judged(
    sentence: Sentence,
    seen: Seen,
    good: bool,
    told: str,
    wanted: str,
    measured: float | None,
    unit: str,
) -> Check:
    flaws = seen.flaws()
    if flaws:
        return Check(sentence.text, "inconclusive", told, wanted, "; ".join(flaws), measured, unit)
    return Check(sentence.text, "pass" if good else "fail", told, wanted, "", measured, unit)


EXPECTATIONS = (
    Expectation(
        "failed_requests",
        "requests that were not answered as they should be, in time: a number, or a share",
        ("<=", "<", ">=", ">", "==", "!="),
        ("", "%"),
        _failed,
        window=True,
        after_fault=False,
    ),
    Expectation(
        "share_of",
        "the part of the good answers that a real server gave; auto: as rr and wrr define it",
        ("within", "==", "<=", "<", ">=", ">"),
        ("auto", "%", "span %"),
        _share,
        _check_share,
        window=True,
        of="real server",
        after_fault=False,
    ),
    Expectation(
        "no_outage",
        "no request failed, and none had to wait for a lost packet to be sent again",
        (),
        (),
        _no_outage,
        bare=True,
        window=True,
        after_fault=False,
    ),
    Expectation(
        "stream_survives",
        "no connection that was to last has ended (load: {connections: stream}, or kept)",
        (),
        (),
        _survives,
        bare=True,
        window=True,
    ),
    Expectation(
        "stream_breaks",
        "every connection that was to last has ended: the lesson of what is missing",
        (),
        (),
        _breaks,
        bare=True,
        window=True,
    ),
)
