"""Who holds the VIP: by the addresses in the directors' kernels, not by their word."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence

from lvslab.scenario.expectations.model import (
    Check,
    Expectation,
    inconclusive,
    is_server,
    step_of,
)
from lvslab.scenario.language import Auto, Quantity, Sentence, SentenceError, Word
from lvslab.scenario.roles import active, backup
from lvslab.scenario.seen import Seen, SeenFault
from lvslab.scenario.spec import ACTIVE, BACKUP, Step
from lvslab.timeline import bounds
from lvslab.timeline.holders import Span, holders
from lvslab.topology.problems import did_you_mean
from lvslab.topology.spec import TopologySpec

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "<=": operator.le,
    ">=": operator.ge,
}


def _new_holder(sentence: Sentence, seen: Seen) -> Check:
    fault = seen.fault(sentence.of)
    until = fault.result.heal_t if fault is not None else None
    return _holder_at(sentence, seen, until or seen.recording.recorded_until)


def _final_holder(sentence: Sentence, seen: Seen) -> Check:
    return _holder_at(sentence, seen, seen.recording.recorded_until)


def _holder_at(sentence: Sentence, seen: Seen, at: float) -> Check:
    """Judge who has, at a moment, the VIPs that the broken director had before the fault."""
    fault = seen.fault(sentence.of)
    if fault is None:
        return inconclusive(sentence, "the fault was not seen being injected")
    spec, held = seen.spec, fault.of.held
    known = [str(v) for v in spec.vips]
    # Of NAT it also holds the real servers' gateway, which goes with the VIPs and is none.
    vips = [v for v in fault.of.held.get(fault.run.node, ()) if v in known] or known
    found = seen.holders()
    now = {vip: _at(found.get(vip, ()), at) for vip in vips}
    if isinstance(sentence.value, Auto):
        due = {vip: _due(vip, spec, fault, _at(found.get(vip, ()), _before(fault))) for vip in vips}
        good = all(now[vip] == due[vip] for vip in vips)
        return Check(sentence.text, "pass" if good else "fail", _told(now), _told(due))
    assert isinstance(sentence.value, Word)
    wanted = sentence.value.text
    name = {ACTIVE: active(spec, held), BACKUP: backup(spec, held)}.get(wanted, wanted)
    good = all(name in who for who in now.values())
    said = name if name == wanted else f"{name} ({wanted})"
    return Check(sentence.text, "pass" if good else "fail", _told(now), str(said))


def _before(fault: SeenFault) -> float:
    """Return until when nothing but the fault itself decided who holds a VIP."""
    return fault.result.run.recorded_until if (t := fault.result.heal_t) is None else t


def _due(vip: str, spec: TopologySpec, fault: SeenFault, then: tuple[str, ...]) -> tuple[str, ...]:
    """Return who must have a VIP once a fault was healed and all has settled.

    The healed director, where it preempts; or else who had it at the heal: the one that took it
    over. Where there were two then, the higher priority stays (RFC 5798, section 6.4.3).
    """
    node = fault.run.node
    for instance in spec.vrrp_instances:
        if vip not in {str(v.ip) for v in instance.vips}:
            continue
        mine = next((m for m in instance.members if m.director == node), None)
        if mine is not None and bounds.take_back(instance, mine) is not None:
            return (node,)
        order = [m.director for m in instance.by_priority()]
        return tuple(sorted(then, key=lambda d: order.index(d) if d in order else len(order))[:1])
    return then


def _told(now: Mapping[str, tuple[str, ...]]) -> str:
    """Say who holds what, many VIPs of one holder by their number."""
    by_holder: dict[tuple[str, ...], list[str]] = {}
    for vip, who in now.items():
        by_holder.setdefault(who, []).append(vip)
    return "; ".join(
        f"{' and '.join(vips) if len(vips) < 3 else f'{len(vips)} VIPs'} on "
        f"{' and '.join(who) or 'nobody'}"
        for who, vips in by_holder.items()
    )


def _holders(sentence: Sentence, seen: Seen) -> Check:
    assert isinstance(sentence.value, Quantity)
    count = round(sentence.value.value)
    since, until = seen.window(sentence)
    said = f"{count} at any moment"
    if sentence.limit is not None:
        after = _limit(sentence, seen)
        if after is None:
            return inconclusive(sentence, "nothing is promised of when the VIP is taken over")
        since += after
        said = f"{count} from {since - seen.begin:.3f} s after the fault on"
        if sentence.until is None and seen.first_heal is not None:
            until = min(until, seen.first_heal)
    if seen.flaws():
        # An event that is missing may be the one that tells.
        return inconclusive(sentence, "; ".join(seen.flaws()), said)
    if since >= until:
        return inconclusive(sentence, "it was not watched for so long", said)
    found = holders(
        seen.events, [str(v) for v in seen.spec.vips], seen.recording.recorded_from, until
    )
    wrong = [
        (vip, span)
        for vip, spans in found.items()
        for span in _clipped(spans, since, until)
        if len(span.holders) != count
    ]
    told = "; ".join(
        f"{vip} on {' and '.join(s.holders) or 'nobody'} for {s.seconds:.3f} s"
        for vip, s in wrong[:3]
    )
    return Check(
        sentence.text,
        "fail" if wrong else "pass",
        told or f"{count}, {until - since:.3f} s long",
        said,
        measured=sum(s.seconds for _, s in wrong),
        unit="s",
    )


def _takeovers(sentence: Sentence, seen: Seen) -> Check:
    assert isinstance(sentence.value, Quantity)
    assert sentence.operator is not None
    since, until = seen.window(sentence)
    taken: dict[str, list[str]] = {str(vip): [] for vip in seen.spec.vips}
    for vip, spans in seen.holders().items():
        before: frozenset[str] = frozenset()
        for span in spans:
            new = frozenset(span.holders) - before
            if since <= span.start < until:
                taken[vip] += [f"{node} {span.start - seen.begin:+.3f} s" for node in sorted(new)]
            before = frozenset(span.holders)
    # Those of an instance move together.
    vip, most = max(taken.items(), key=lambda one: len(one[1]))
    count = len(most)
    good = _COMPARE[sentence.operator](count, sentence.value.value)
    told = f"{count} of {vip}" + (f": {', '.join(most[:5])}" if most else "")
    said = f"{sentence.operator} {sentence.value}"
    return Check(sentence.text, "pass" if good else "fail", told, said, measured=float(count))


def _limit(sentence: Sentence, seen: Seen) -> float | None:
    if isinstance(sentence.limit, Quantity):
        return sentence.limit.value
    assert isinstance(sentence.limit, Auto)
    fault = seen.fault(None)
    promise = fault.run.promise_takeover if fault is not None else None
    if promise is None:
        return None
    return promise.upper + seen.recording.allowance


def _clipped(spans: Iterable[Span], since: float, until: float) -> list[Span]:
    return [
        Span(max(s.start, since), min(s.end, until), s.holders)
        for s in spans
        if s.end > since and s.start < until
    ]


def _at(spans: Sequence[Span], t: float) -> tuple[str, ...]:
    return next((s.holders for s in reversed(spans) if s.start < t), ())


def _check_holder(sentence: Sentence, spec: TopologySpec, _steps: Sequence[Step]) -> None:
    if isinstance(sentence.value, Auto):
        return
    known = [ACTIVE, BACKUP, *(d.name for d in spec.directors)]
    if str(sentence.value) not in known:
        hint = did_you_mean(str(sentence.value), known) or f"there are {', '.join(known)}"
        raise SentenceError(f"no director is called {str(sentence.value)!r}", hint)


def _check_holders(sentence: Sentence, spec: TopologySpec, steps: Sequence[Step]) -> None:
    value = sentence.value
    if isinstance(value, Quantity) and value.value != round(value.value):
        raise SentenceError(f"{value} directors are none: write a whole number")
    if isinstance(sentence.limit, Auto) and (
        not steps or is_server(step_of(sentence, spec, steps), spec)
    ):
        raise SentenceError(
            "'within auto' counts from a director's fault, and the first of 'faults' is none",
            "write a time such as 4s",
        )


EXPECTATIONS = (
    Expectation(
        "new_holder",
        "the director that has the VIP when the fault is healed, or at the end",
        ("==",),
        ("word",),
        _new_holder,
        _check_holder,
        of="fault",
    ),
    Expectation(
        "final_holder",
        "the director that has the VIP at the end, when all has been healed and has settled; "
        "auto: who preemption says",
        ("==",),
        ("auto", "word"),
        _final_holder,
        _check_holder,
        of="fault",
    ),
    Expectation(
        "takeovers",
        "how often a director got a VIP that it did not have, the way back included",
        ("==", "<=", ">="),
        ("",),
        _takeovers,
        window=True,
    ),
    Expectation(
        "holders",
        "how many nodes have the VIP on an interface that answers for it: always, or from a while "
        "after the fault on until its heal",
        ("==",),
        ("",),
        _holders,
        _check_holders,
        limit=True,
        window=True,
        after_fault=False,
    ),
)
