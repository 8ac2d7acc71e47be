"""What an expectation is: a subject, what can be said of it, and how it is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from lvslab.scenario.language import Operator, Sentence
from lvslab.scenario.seen import Seen
from lvslab.scenario.spec import EVERY_DIRECTOR, EVERY_SERVER, SERVERS, Step
from lvslab.topology.spec import DirectorSpec, RealServerSpec, TopologySpec

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
    #: By how many seconds it was missed, all that is allowed for taken off; None: nothing is.
    beyond: float | None = None


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


def step_of(sentence: Sentence, spec: TopologySpec, steps: Sequence[Step]) -> Step:
    """Return the fault that a sentence is about: the one that it names, or the first."""
    return next((s for s in steps if sentence.of in names_of(s, spec)), steps[0])


def names_of(step: Step, spec: TopologySpec) -> list[str]:
    """Return what a step can be called: by its name, and with each node if it means several."""
    nodes: Sequence[DirectorSpec | RealServerSpec] = ()
    if step.target == EVERY_DIRECTOR:
        nodes = spec.directors
    elif step.target == EVERY_SERVER:
        nodes = spec.real_servers
    return [step.name, *(f"{step.name}-{node.name}" for node in nodes)]


def is_server(step: Step, spec: TopologySpec) -> bool:
    """Whether a step breaks real servers."""
    return step.target in SERVERS or any(r.name == step.target for r in spec.real_servers)


def inconclusive(sentence: Sentence, why: str, wanted: str = "") -> Check:
    """Return the verdict of a recording that cannot tell."""
    return Check(sentence.text, "inconclusive", "not to be told", wanted, why)
