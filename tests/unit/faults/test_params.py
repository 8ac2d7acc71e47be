from __future__ import annotations

from typing import Any

import pytest

from lvslab.errors import FaultError
from lvslab.faults import registry
from lvslab.faults.model import Fault, Operation, Params, Part, Target
from lvslab.faults.outside import beside
from lvslab.observe import injecting


class Some(Params):
    loss: int = 10
    """Of a hundred."""


def made(**more: Any) -> Fault:
    return Fault(
        "x",
        "s",
        {"director": "e"},
        more.pop("inject", lambda target: [{"op": "freeze"}]),
        lambda target: [{"op": "thaw"}],
        params=Some,
        **more,
    )


def test_text_is_read_as_what_the_parameter_is() -> None:
    assert registry.parameters(made(), {"loss": "30"}) == Some(loss=30)
    assert Target("n", "director", params=Some(loss=30)).given(Some).loss == 30
    assert Target("n", "director").given(Some).loss == 10


@pytest.mark.parametrize(
    ("given", "what", "fix"),
    [
        ({"los": 3}, "fault 'x' has no parameter 'los'", "did you mean 'loss'? it has loss"),
        ({"loss": "much"}, "parameter 'loss' of fault 'x': input should be", "'lvslab faults x'"),
    ],
)
def test_what_is_wrong_with_parameters_is_said(given: dict[str, Any], what: str, fix: str) -> None:
    with pytest.raises(FaultError) as caught:
        registry.parameters(made(), given)
    assert caught.value.what.startswith(what)
    assert fix in (caught.value.fix or "")


def test_every_parameter_is_described_and_has_a_default() -> None:
    for fault in registry.all_faults().values():
        fault.params()
        for name, field in fault.params.model_fields.items():
            assert field.description, (fault.name, name)


def test_what_is_done_elsewhere_only_leaves_the_target_out() -> None:
    there = Part("b", [{"op": "freeze"}], [{"op": "thaw"}])
    target = Target("a", "director")
    both = made(elsewhere=lambda target: [there])
    assert [p.node for p in both.parts(target)] == ["a", "b"]
    only = made(elsewhere=lambda target: [there], inject=lambda target: [])
    assert [p.node for p in only.parts(target)] == ["b"]


Asked = list[tuple[str, str]]


class Nodes:
    """Two nodes and what lies beside them; what ``fail`` says is refused."""

    def __init__(self, fail: str = "") -> None:
        self.asked: Asked = []
        self.told: list[float | None] = []
        self._fail = fail

    def _ask(self, node: str, do: str) -> None:
        self.asked.append((node, do))
        if self._fail == f"{node} {do}":
            raise FaultError("refused")

    def request(self, node: str, do: str, **params: Any) -> dict[str, Any]:
        self._ask(node, do)
        self.told.append(params.get("t"))
        return {"t": params.get("t", {"a": 2.0, "b": 1.0}[node])}

    def beside(self, node: str, op: Operation) -> float:
        self._ask(node, op["argv"][-1])
        return 0.5

    def inject(self, fault: Fault) -> float:
        target = Target("a", "director")
        return injecting.inject(self.request, self.beside, fault, target, "id")


BOTH = made(elsewhere=lambda target: [Part("b", [{"op": "freeze"}], [{"op": "thaw"}])])


def test_every_node_has_it_in_its_journal_before_any_of_it_is_done() -> None:
    nodes = Nodes()
    assert nodes.inject(BOTH) == 1.0
    assert nodes.asked == [("a", "prepare"), ("b", "prepare"), ("a", "inject"), ("b", "inject")]


def test_what_was_done_of_a_refused_one_is_healed() -> None:
    nodes = Nodes(fail="b inject")
    with pytest.raises(FaultError):
        nodes.inject(BOTH)
    assert nodes.asked[-2:] == [("a", "heal"), ("b", "heal")]


def out(*, machine: bool) -> Fault:
    """One that lies outside: in ``a``, then in ``b``."""

    def parts(target: Target) -> list[Part]:
        ops = [[beside("", word, touches="x", machine=machine)] for word in ("there", "back")]
        return [Part(node, *ops) for node in ("a", "b")]

    return made(elsewhere=parts, inject=lambda target: [])


def test_what_lies_outside_is_journalled_then_done_and_its_moment_told() -> None:
    nodes = Nodes()
    assert nodes.inject(out(machine=False)) == 0.5
    assert nodes.asked[:2] == [("a", "prepare"), ("b", "prepare")]
    assert nodes.asked[2:4] == [("a", "there"), ("a", "inject")]
    assert nodes.told == [None, None, 0.5, 0.5]
    parts = out(machine=False).parts(Target("a", "director"))
    injecting.heal(nodes.request, nodes.beside, parts, "id")
    assert nodes.asked[6:8] == [("a", "back"), ("a", "heal")]


@pytest.mark.parametrize("machine", [True, False])
def test_a_step_that_was_never_made_is_not_taken_back(machine: bool) -> None:
    nodes = Nodes(fail="a there")
    with pytest.raises(FaultError):
        nodes.inject(out(machine=machine))
    undone = [node for node, do in nodes.asked if do == "back"]
    assert undone == (["a"] if machine else ["a", "b"])
    assert [node for node, do in nodes.asked if do == "heal"] == ["a", "b"]


def test_what_could_not_be_undone_outside_stays_in_the_journal() -> None:
    nodes = Nodes(fail="a back")
    parts = out(machine=False).parts(Target("a", "director"))
    with pytest.raises(FaultError):
        injecting.heal(nodes.request, nodes.beside, parts, "id")
    assert nodes.asked == [("a", "back"), ("b", "back"), ("b", "heal")]
