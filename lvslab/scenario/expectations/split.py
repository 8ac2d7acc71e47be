"""Why two directors held a VIP at once."""

from __future__ import annotations

from collections.abc import Sequence

from lvslab.scenario.expectations.model import Check, Expectation, inconclusive
from lvslab.scenario.language import Sentence, SentenceError, Word
from lvslab.scenario.seen import Seen
from lvslab.scenario.spec import Step
from lvslab.timeline.splitbrain import CAUSES
from lvslab.topology.problems import did_you_mean
from lvslab.topology.spec import TopologySpec


def _cause(sentence: Sentence, seen: Seen) -> Check:
    assert isinstance(sentence.value, Word)
    wanted = sentence.value.text
    found = seen.splits()
    if not found:
        return Check(sentence.text, "fail", "never two holders at once", wanted)
    first = found[0]
    told = f"{first.cause or 'unknown'}: {first.why}"
    return Check(
        sentence.text,
        "pass" if first.cause == wanted else "fail",
        told,
        wanted,
        f"{' and '.join(first.nodes)} both held {first.vip} for {first.seconds:.3f} s",
        first.seconds,
        "s",
    )


def _no_split(sentence: Sentence, seen: Seen) -> Check:
    if seen.flaws():
        # An event that is missing may be the one that tells.
        return inconclusive(sentence, "; ".join(seen.flaws()), "none")
    found = seen.splits()
    told = "; ".join(
        f"{' and '.join(s.nodes)} both held {s.vip} for {s.seconds:.3f} s: {s.why}" for s in found
    )
    outcome = "fail" if found else "pass"
    return Check(sentence.text, outcome, told or "never two holders at once", "none")  # type: ignore[arg-type]


def _check(sentence: Sentence, _spec: TopologySpec, _steps: Sequence[Step]) -> None:
    if str(sentence.value) not in CAUSES:
        hint = did_you_mean(str(sentence.value), CAUSES) or f"there are {', '.join(CAUSES)}"
        raise SentenceError(f"no cause is called {str(sentence.value)!r}", hint)


EXPECTATIONS = (
    Expectation(
        "cause",
        "why two directors held a VIP at once (the first time), by the adverts that each sent and "
        "got",
        ("==",),
        ("word",),
        _cause,
        _check,
        after_fault=False,
    ),
    Expectation(
        "no_split",
        "two directors never hold a VIP at once, but while it is handed over",
        (),
        (),
        _no_split,
        bare=True,
        after_fault=False,
    ),
)
