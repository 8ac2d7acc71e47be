"""What an expectation is: a subject, what can be said of it, and how it is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from lvslab.scenario.language import Operator, Sentence, SentenceError
from lvslab.scenario.seen import Seen
from lvslab.scenario.spec import Step
from lvslab.topology.spec import TopologySpec

Outcome = Literal["pass", "fail", "inconclusive"]
#: What kinds of value a subject takes.
ValueKind = Literal["auto", "s", "%", "", "word", "span s", "span %"]


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation, judged."""

    #: The sentence as it was written.
    text: str
    outcome: Outcome
    #: What was seen, for a person: ``3.143 s ± 0.028 s``.
    seen: str
    #: What was wanted, for a person: ``2.805 to 3.805 s, ± 0.25 s``.
    wanted: str
    #: Why it is not a pass, or what one should know of it.
    why: str = ""
    #: The figure, in ``unit``, where there is one; and how far it may be off.
    measured: float | None = None
    unit: str = ""
    resolution: float | None = None
    low: float | None = None
    high: float | None = None
    #: The bound's arithmetic, where it is the configuration's.
    formula: str = ""


@dataclass(frozen=True, slots=True)
class Expectation:
    """A subject of sentences. A module of this package defines one or more."""

    subject: str
    #: One line for the documentation.
    summary: str
    operators: tuple[Operator, ...]
    values: tuple[ValueKind, ...]
    judge: Callable[[Sentence, Seen], Check]
    #: Further checks of a sentence, before anything runs. Raises SentenceError.
    check: Callable[[Sentence, TopologySpec, Sequence[Step]], None] = lambda _s, _t, _f: None
    #: Whether it can stand alone, without an operator.
    bare: bool = False
    #: Whether ``within LIMIT`` may follow, and ``from TIME to TIME``.
    limit: bool = False
    window: bool = False
    #: What ``of NAME`` names; None: it takes none.
    of: Literal["fault", "real server", "node"] | None = None
    #: Whether it needs a fault to follow.
    after_fault: bool = True


def failed_to_read(text: str) -> SentenceError:
    """Return the error of a subject that does not take what was said of it."""
    return SentenceError(text)


def inconclusive(sentence: Sentence, why: str, wanted: str = "") -> Check:
    """Return the verdict of a recording that cannot tell."""
    return Check(sentence.text, "inconclusive", "not to be told", wanted, why)
