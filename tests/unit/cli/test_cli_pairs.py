from __future__ import annotations

import pytest
import typer

from lvslab.cli.pairs import pairs, several


def test_a_value_may_have_an_equals_sign_and_the_order_stays() -> None:
    assert list(pairs(["b=x=y", "a=1"], "-p").items()) == [("b", "x=y"), ("a", "1")]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["a"], "'a' is not NAME=FILE"),
        (["=x"], "'=x' is not NAME=FILE"),
        (["a="], "'a=' is not NAME=FILE"),
        (["a=x", "a=y"], "'a' is given twice"),
    ],
)
def test_what_is_no_pair_is_told_with_its_option(words: list[str], says: str) -> None:
    with pytest.raises(typer.BadParameter, match=says) as caught:
        pairs(words, "--node", "NAME=FILE")
    assert caught.value.param_hint == "--node"


def test_a_name_that_comes_again_has_all_of_its_values() -> None:
    assert several(["a=1", "b=2", "a=3"], "--node") == {"a": ["1", "3"], "b": ["2"]}
    with pytest.raises(typer.BadParameter, match="is not NAME=FILE"):
        several(["a"], "--node", "NAME=FILE")
