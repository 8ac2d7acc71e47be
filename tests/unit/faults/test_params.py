from __future__ import annotations

from typing import Any

import pytest

from lvslab.errors import FaultError
from lvslab.faults import registry
from lvslab.faults.model import Fault, Params, Part, Target
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


def two_nodes(fail: str = "") -> tuple[list[tuple[str, str]], injecting.Request]:
    asked: list[tuple[str, str]] = []

    def request(node: str, do: str, **params: Any) -> dict[str, Any]:
        asked.append((node, do))
        if fail == f"{node} {do}":
            raise FaultError("refused")
        return {"t": {"a": 2.0, "b": 1.0}[node]}

    return asked, request


BOTH = made(elsewhere=lambda target: [Part("b", [{"op": "freeze"}], [{"op": "thaw"}])])


def test_every_node_has_it_in_its_journal_before_any_of_it_is_done() -> None:
    asked, request = two_nodes()
    assert injecting.inject(request, BOTH, Target("a", "director"), "id") == 1.0
    assert asked == [("a", "prepare"), ("b", "prepare"), ("a", "inject"), ("b", "inject")]


def test_what_was_done_of_a_refused_one_is_healed() -> None:
    asked, request = two_nodes(fail="b inject")
    with pytest.raises(FaultError):
        injecting.inject(request, BOTH, Target("a", "director"), "id")
    assert asked[-2:] == [("a", "heal"), ("b", "heal")]
