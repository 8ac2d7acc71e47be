"""A scenario file to a ScenarioSpec: read, validated in full, its topology with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lvslab.errors import FaultError, LvslabError
from lvslab.faults.model import A_ROLE, roles_of
from lvslab.faults.registry import choose, get, mistakes
from lvslab.observe.expect import require, usual_rate
from lvslab.plan.model import Role
from lvslab.scenario import expectations
from lvslab.scenario.language import Sentence, SentenceError, parse
from lvslab.scenario.models import FaultModel, ScenarioModel
from lvslab.scenario.spec import (
    ACTIVE,
    ANY_SERVER,
    DIRECTORS,
    SERVERS,
    Load,
    ScenarioSpec,
    Steady,
    Step,
)
from lvslab.topology import TopologyProblems, builtins
from lvslab.topology import load as load_topology
from lvslab.topology.explain import Kind, explain
from lvslab.topology.load import read_text
from lvslab.topology.problems import Problem, did_you_mean, shown
from lvslab.topology.resolve import name_from
from lvslab.topology.spec import TopologySpec
from lvslab.topology.yamltree import Document
from lvslab.topology.yamltree import parse as parse_yaml

WHAT = "scenario"
START = "docs/scenarios.md has one to start from; 'lvslab test --list' shows those that ship"
_HABITS = {
    "duration": "here it is 'for'",
    "expectations": "here it is 'expect'",
    "parameters": "here it is 'with'",
    "params": "here it is 'with'",
    "steady": "here it is 'steady_state'",
}
KIND = Kind(
    ScenarioModel, "a scenario is a mapping: lines such as 'title: A link is lost'", _HABITS
)


def load(
    path: Path, *, topology: Path | TopologySpec | None = None, lab: str | None = None
) -> ScenarioSpec:
    """Read a scenario file and the topology that it is played on.

    ``topology`` is used instead of the one that the file names, a resolved one as it is;
    ``lab`` is what the lab is called. Raises NotFoundError, TopologyError, and TopologyProblems
    with everything that is wrong in the file.
    """
    text, document, model = _read(path)
    spec = _topology(model, document, path, topology, lab)
    reader = _Reader(model, document, spec, text)
    steps = tuple(reader.step(i, fault) for i, fault in enumerate(model.faults))
    reader.names(steps)
    reader.connections()
    expect = tuple(s for i, t in enumerate(model.expect) if (s := reader.sentence(i, t, steps)))
    if reader.problems:
        raise TopologyProblems(reader.problems)
    return ScenarioSpec(
        name=model.name or name_from(path.stem),
        title=model.title,
        teaches=model.teaches.strip(),
        tags=tuple(model.tags),
        topology=spec,
        steady=Steady(model.steady_state.for_, model.steady_state.within),
        load=Load(
            usual_rate(spec) if model.load.rate is None else model.load.rate,
            model.load.deadline,
            model.load.connections,
        ),
        steps=steps,
        expect=expect,
        repeat=model.repeat,
        origin=model.from_,
        watch=None if model.watch == "auto" else model.watch,
        source=text,
    )


def name_and_tags(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return what a scenario is called and its tags; its topology is not looked at.

    Raises NotFoundError, TopologyError, and TopologyProblems.
    """
    _, _, model = _read(path)
    return model.name or name_from(path.stem), tuple(model.tags)


def _read(path: Path) -> tuple[str, Document, ScenarioModel]:
    text = read_text(path, WHAT, START)
    document = parse_yaml(text, str(path), WHAT, START)
    try:
        return text, document, ScenarioModel.model_validate(document.root.plain())
    except ValidationError as error:
        raise TopologyProblems(explain(error, document, KIND)) from error


def _topology(
    model: ScenarioModel,
    document: Document,
    path: Path,
    instead: Path | TopologySpec | None,
    lab: str | None,
) -> TopologySpec:
    if isinstance(instead, TopologySpec):
        return instead
    file = instead or builtins().get(model.topology) or path.parent / model.topology
    # Of one that was named elsewhere this file knows nothing: reading it says what is wrong.
    if instead is None and not file.exists():
        hint = did_you_mean(model.topology, builtins()) or f"there are {', '.join(builtins())}"
        what = f"no file and no topology is called {shown(model.topology)}"
        raise TopologyProblems([document.problem(("topology",), what, hint)])
    over = document.root.value.get("with")
    changes = Document(document.file, over) if over is not None and over.value else None
    return load_topology(file, name=lab, changes=changes)


@dataclass(slots=True)
class _Reader:
    """Collects what is wrong in the parts that pydantic knows nothing of."""

    model: ScenarioModel
    document: Document
    topology: TopologySpec
    #: The file as it was written.
    source: str
    problems: list[Problem] = field(default_factory=list)

    def _bad(
        self, path: tuple[str | int, ...], message: str, hint: str = "", *, within: int = 0
    ) -> None:
        problem = self.document.problem(path, message, hint)
        self.problems.append(replace(problem, column=problem.column + within))

    def step(self, index: int, model: FaultModel) -> Step:
        """Return a fault of the schedule; whether it makes sense is checked."""
        path = ("faults", index)
        target = model.target or ACTIVE
        try:
            fault = get(model.fault)
        except FaultError as error:
            self._bad((*path, "fault"), error.what, error.fix or "")
        else:
            if model.target is None and "director" not in fault.roles:
                target = ANY_SERVER
            node = self._example(target)
            if node is None:
                known = [*roles_of(self.topology), *DIRECTORS, *SERVERS]
                hint = did_you_mean(target, known) or f"there are {', '.join(known)}"
                self._bad((*path, "target"), f"no node and no role is called {shown(target)}", hint)
            else:
                self._fits(path, node, fault.name, target, model.with_)
        return Step(
            name=model.name or model.fault,
            fault=model.fault,
            target=target,
            at=model.at,
            phase=None if model.phase == "random" else model.phase,
            hold=model.for_,
            params=dict(model.with_),
        )

    def _fits(
        self,
        path: tuple[str | int, ...],
        node: str,
        fault: str,
        target: str,
        params: Mapping[str, Any],
    ) -> None:
        wrong = mistakes(get(fault), params)
        for one in wrong:
            self._bad((*path, "with", *([one.key] if one.key in params else [])), one.what, one.fix)
        if wrong:
            return
        roles = roles_of(self.topology)
        try:
            choose(self.topology, node, fault, params)
        except FaultError as error:
            what = error.what
            if target != node and roles[node] not in get(fault).roles:
                role: Role = roles[node]
                what = f"fault {fault!r} makes no sense on {target}, which is {A_ROLE[role]}"
            self._bad((*path, "fault"), what, error.fix or "")

    def _example(self, target: str) -> str | None:
        """Return a node that the target may turn out to be; None when there is none such."""
        roles = roles_of(self.topology)
        if target in roles:
            return target
        wanted = {**dict.fromkeys(DIRECTORS, "director"), **dict.fromkeys(SERVERS, "real-server")}
        return next((n for n, role in roles.items() if role == wanted.get(target)), None)

    def connections(self) -> None:
        """Without HTTP there is nothing to be asked over connections that last."""
        lasting = self.model.load.connections
        if lasting == "short" or not self.topology.virtual_servers:
            return
        try:
            require(self.topology, lasting)
        except FaultError as error:
            self._bad(("load", "connections"), error.what, error.fix or "")

    def names(self, steps: tuple[Step, ...]) -> None:
        """Two faults of one name could not be told apart by what is expected of them."""
        for name, count in Counter(s.name for s in steps).items():
            if count > 1:
                last = max(i for i, s in enumerate(steps) if s.name == name)
                self._bad(
                    ("faults", last), f"two faults are called {shown(name)}", "give one a 'name'"
                )

    def sentence(self, index: int, text: str, steps: tuple[Step, ...]) -> Sentence | None:
        """Return an expectation; what is wrong with it is noted."""
        path = ("expect", index)
        try:
            sentence = parse(text)
            expectations.check(sentence, self.topology, steps)
        except SentenceError as error:
            within = self._within(path, text, error.column)
            self._bad(path, f"{shown(text, 60)}: {error.message}", error.hint, within=within)
            return None
        except LvslabError as error:
            self._bad(path, f"{shown(text, 60)}: {error.what}", error.fix or "")
            return None
        return sentence

    def _within(self, path: tuple[str | int, ...], text: str, column: int) -> int:
        """Return how far into a value a character of its text is; 0 where that cannot be told."""
        line, start = self.document.at(path)
        rest = self.source.splitlines()[line - 1][start - 1 :]
        # A quoted value is found behind its quote, as long as nothing in it is escaped.
        found = next((i for i in (0, 1) if column and rest[i:].startswith(text)), None)
        return 0 if found is None else found + column
