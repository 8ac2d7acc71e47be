"""What a scenario can expect: one module a family, found here; a new one is a new file."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from types import MappingProxyType

from lvslab.faults.model import roles_of
from lvslab.scenario.expectations.model import Check, Expectation, names_of
from lvslab.scenario.language import Auto, Quantity, Sentence, SentenceError, Span, Word
from lvslab.scenario.seen import Seen
from lvslab.scenario.spec import Step
from lvslab.timeline.verdict import machine_was_late
from lvslab.topology.problems import did_you_mean
from lvslab.topology.spec import TopologySpec

_MACHINERY = frozenset({"model"})
_KINDS = {
    "auto": "auto",
    "s": "a time such as 4s",
    "%": "a share such as 5%",
    "": "a number",
    "word": "a name",
    "span s": "times such as 1s..2s",
    "span %": "shares such as 45%..55%",
}


@cache
def all_expectations() -> Mapping[str, Expectation]:
    """Return every subject there is, by name."""
    found: dict[str, Expectation] = {}
    for info in pkgutil.iter_modules(__path__):
        if info.name in _MACHINERY:
            continue
        module = importlib.import_module(f"{__name__}.{info.name}")
        found |= {e.subject: e for e in module.EXPECTATIONS}
    return MappingProxyType(dict(sorted(found.items())))


def check(sentence: Sentence, spec: TopologySpec, steps: Sequence[Step]) -> None:
    """Make sure that a sentence means something here. Raises SentenceError."""
    known = all_expectations()
    if sentence.subject not in known:
        hint = did_you_mean(sentence.subject, known) or f"there are {', '.join(known)}"
        raise SentenceError(f"nothing is known of {sentence.subject!r}", hint)
    of = known[sentence.subject]
    _check_operator(sentence, of)
    _check_name(sentence, of, spec, steps)
    if sentence.limit is not None and not of.limit:
        raise SentenceError(f"{of.subject} takes no 'within' after its value")
    if sentence.since is not None and not of.window:
        raise SentenceError(f"{of.subject} takes no 'from'")
    if of.after_fault and not steps:
        raise SentenceError(f"{of.subject} is about a fault, and there is none in 'faults'")
    of.check(sentence, spec, steps)


def judge(sentence: Sentence, seen: Seen) -> Check:
    """Hold what was seen to a sentence that :func:`check` accepted.

    What fails while the machine itself stood still, or while events were lost, says nothing of
    the configuration.
    """
    check = all_expectations()[sentence.subject].judge(sentence, seen)
    if check.outcome != "fail":
        return check
    excuse = machine_was_late(seen.stalled(), check.beyond)
    doubts = [*seen.flaws(), *([] if excuse is None else [excuse])]
    if not doubts:
        return check
    why = f"{check.why}; but " if check.why else ""
    return replace(check, outcome="inconclusive", why=why + "; ".join(doubts))


def _check_operator(sentence: Sentence, of: Expectation) -> None:
    if sentence.operator is None:
        if not of.bare:
            raise SentenceError(
                f"what {of.subject} should be is missing", f"it takes {' '.join(of.operators)}"
            )
        return
    if sentence.operator not in of.operators:
        takes = f"it takes {' '.join(of.operators)}" if of.operators else "it stands alone"
        raise SentenceError(f"{of.subject} cannot be {sentence.operator!r}", takes)
    kind = _kind(sentence)
    if kind not in of.values:
        takes = " or ".join(_KINDS[v] for v in of.values)
        raise SentenceError(f"{of.subject} cannot be {str(sentence.value)!r}", f"it takes {takes}")
    if kind.startswith("span") and sentence.operator != "within":
        raise SentenceError(f"a range wants 'within', not {sentence.operator!r}")


def _kind(sentence: Sentence) -> str:
    value = sentence.value
    if isinstance(value, Auto):
        return "auto"
    if isinstance(value, Word):
        return "word"
    if isinstance(value, Span):
        return f"span {value.low.unit}".strip()
    return value.unit if isinstance(value, Quantity) else ""


def _check_name(
    sentence: Sentence, of: Expectation, spec: TopologySpec, steps: Sequence[Step]
) -> None:
    if sentence.of is None:
        if of.of == "real server":
            raise SentenceError(f"{of.subject} of whom? Name a real server")
        return
    known = {
        None: [],
        "fault": [name for s in steps for name in names_of(s, spec)],
        "real server": [r.name for r in spec.real_servers],
        "node": list(roles_of(spec)),
    }[of.of]
    if of.of is None:
        raise SentenceError(f"{of.subject} takes no name")
    if sentence.of not in known:
        hint = did_you_mean(sentence.of, known) or f"there are {', '.join(known)}"
        raise SentenceError(f"no {of.of} is called {sentence.of!r}", hint)


__all__ = ["Check", "Expectation", "all_expectations", "check", "judge"]
