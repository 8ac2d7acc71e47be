"""How many real servers answer: what hashing, persistence and preference come down to."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence

from lvslab.scenario.expectations.model import Check, Expectation, inconclusive
from lvslab.scenario.language import Quantity, Sentence, SentenceError
from lvslab.scenario.seen import Seen
from lvslab.scenario.spec import Step
from lvslab.topology.spec import TopologySpec

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "<=": operator.le,
    ">=": operator.ge,
}
_WORDS = {"==": "", "<=": "at most ", ">=": "at least "}


def _servers(sentence: Sentence, seen: Seen) -> Check:
    assert isinstance(sentence.value, Quantity)
    assert sentence.operator is not None
    since, until = seen.window(sentence)
    requests = seen.requests_in(since, until)
    if seen.missing(requests):
        return inconclusive(sentence, "results of the probe are missing in that time")
    served: dict[str, dict[str, int]] = {target: {} for target in seen.recording.targets}
    for request in requests:
        if request.good and request.server is not None:
            mine = served.setdefault(request.target, {})
            mine[request.server] = mine.get(request.server, 0) + 1
    if not any(served.values()):
        return inconclusive(sentence, "nothing was answered in that time")
    names = {str(r.address): r.name for r in seen.spec.real_servers}
    told = "; ".join(
        f"{target}: "
        + (", ".join(f"{names.get(a, a)} {n}" for a, n in sorted(by.items())) or "nobody")
        for target, by in served.items()
    )
    wrong = [
        target
        for target, by in served.items()
        if not _COMPARE[sentence.operator](len(by), sentence.value.value)
    ]
    said = f"{_WORDS[sentence.operator]}{sentence.value} behind each VIP"
    return Check(sentence.text, "fail" if wrong else "pass", told, said)


def _check(sentence: Sentence, _spec: TopologySpec, _steps: Sequence[Step]) -> None:
    value = sentence.value
    if isinstance(value, Quantity) and value.value != round(value.value):
        raise SentenceError(f"{value} real servers are none: write a whole number")


EXPECTATIONS = (
    Expectation(
        "servers",
        "how many real servers gave good answers behind each VIP",
        ("==", "<=", ">="),
        ("",),
        _servers,
        _check,
        window=True,
        after_fault=False,
    ),
)
