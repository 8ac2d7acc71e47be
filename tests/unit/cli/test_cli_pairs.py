from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lvslab.cli.pairs import pairs, several
from lvslab.errors import USAGE


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


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("fail lvs1 -p loss", "Invalid value for -p: 'loss' is not KEY=VALUE"),
        ("lint --node lvs1", "Invalid value for --node: 'lvs1' is not NAME=FILE"),
        ("import --node lvs1", "Invalid value for --node: 'lvs1' is not NAME=FILE"),
        (
            "import --node lvs1={conf} --address 192.0.2.1",
            "Invalid value for --address: '192.0.2.1' is not NAME=ADDRESS",
        ),
        (
            "import --node lvs1={conf} --script /usr/bin/check",
            "Invalid value for --script: '/usr/bin/check' is not PATH=FILE",
        ),
        (
            "import --node lvs1={conf} --address lvs1=here",
            "error: --address: Expected 4 octets in 'here'\n"
            "  write IPv4, as in --address lvs1=192.0.2.1\n",
        ),
        (
            "import --node lvs1={conf} --subnet 192.0.2.1/24",
            "error: --subnet: 192.0.2.1/24 has host bits set\n"
            "  write IPv4, as in --subnet 192.0.2.0/24\n",
        ),
        (
            "import --node lvs1={conf} --address lvs2=192.0.2.1",
            "error: command line: --address names lvs2, which no --node does\n",
        ),
    ],
)
def test_each_verb_says_what_is_wrong_and_what_to_write(
    runner: CliRunner, app: typer.Typer, tmp_path: Path, words: str, says: str
) -> None:
    conf, made = tmp_path / "keepalived.conf", tmp_path / "made.yaml"
    conf.write_text(
        "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n"
        "    virtual_ipaddress {\n        192.0.2.100\n    }\n}\n"
    )
    asked = words.format(conf=conf).split()
    if asked[0] == "import":
        asked += ["-o", str(made)]
    result = runner.invoke(app, asked)
    assert result.exit_code == USAGE
    assert says in result.output
    assert not made.exists()
