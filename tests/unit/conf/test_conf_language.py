"""The language, element by element, as keepalived.conf(5) has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lvslab.conf import ConfError, load, load_all, load_text
from lvslab.conf.preprocess import Limits
from lvslab.errors import NotFoundError


def words(text: str, **kwargs) -> list[list[str]]:
    config = load_text(text, "x.conf", **kwargs)
    return [[w.value for w in n.words] for n in config.root.walk()]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a b # c\n! d\ne!f\n", [["a", "b"], ["e"]]),
        ('a "b # c" d\n', [["a", "b # c", "d"]]),
        ("a \\#b\n", [["a", "#b"]]),
        # Of a comment that ends in a backslash that is left: 'keepalived -t' says Unknown keyword.
        ("# a \\\nb # c \\\nd\n# e \\\\\n", [["\\"], ["b\\"], ["d"]]),
        # Braces stand for themselves wherever they are.
        ("a { b c }\n", [["a"], ["b", "c"]]),
        ('a "{" b\n', [["a", "{", "b"]]),
        ("a\n{\nb\n}\n", [["a"], ["b"]]),
        ("$X=1\na $X ${X}2 $XY\n", [["a", "1", "12", "$XY"]]),
        # Replaced when it is used, not when it is defined.
        ("$A=1${B}\n$B=2\n${A}\n$B=3\n${A}\n", [["12"], ["13"]]),
        ("$E=\na ${E}b\n", [["a", "b"]]),
        ("$I= \\\n v { \\\n p ${N} \\\n }\n$N=1\n$I\n$N=2\n$I\n",
         [["v"], ["p", "1"], ["v"], ["p", "2"]]),
        ("~SEQ(N, 2) a ${N}\n", [["a", "1"], ["a", "2"]]),
        ("~SEQ(N, 4, -2, 0) a ${N}\n", [["a", "4"], ["a", "2"], ["a", "0"]]),
        ("~SEQx(N, 0x90, 0x10, 0xa0) a ${N}\n", [["a", "90"], ["a", "a0"]]),
        ("~SEQ(A,1,2) ~SEQ(B,3,4) ${A}.${B}\n", [["1.3"], ["1.4"], ["2.3"], ["2.4"]]),
        ("~LST(A, x, y) a ${A}\n", [["a", "x"], ["a", "y"]]),
        ("~LST({A, B}, {1,2},{3,4}) ${A}.${B}\n", [["1.2"], ["3.4"]]),
        # A definition of several lines sees the variable of the sequence.
        ("$R= \\\n r ${N} \\\n s\n~SEQ(N,1,2) $R\n", [["r", "1"], ["s"], ["r", "2"], ["s"]]),
    ],
)  # fmt: skip
def test_language(text, wanted):
    assert words(text) == wanted


@pytest.mark.parametrize(
    ("config_id", "wanted"),
    [("main", [["a", "1"]]), ("backup", [["b", "2"], ["c"]]), (None, [["c"]])],
)
def test_conditions(config_id, wanted):
    text = "@main a 1\n@backup b 2\n@^main c\n"
    assert words(text, config_id=config_id) == wanted


def test_conditions_and_definitions_work_together():
    text = "@main $P=240\n@backup $P=200\npriority $P\n$IF=@main\n$IF x\n"
    assert words(text, config_id="main") == [["priority", "240"], ["x"]]
    assert words(text, config_id="backup") == [["priority", "200"]]


def test_includes_are_relative_to_the_file_that_has_them(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "main.conf").write_text("a\ninclude d/*.conf\ninclude none.conf\nz\n")
    (tmp_path / "d" / "1.conf").write_text("b {\ninclude 2.inc\n}\n")
    (tmp_path / "d" / "2.inc").write_text("c $X\n")
    config = load(tmp_path / "main.conf")
    nodes = list(config.root.walk())
    assert [n.keyword for n in nodes] == ["a", "b", "c", "z"]
    assert str(nodes[2].at) == f"{tmp_path.resolve()}/d/2.inc:1:1"
    assert [i.kind for i in config.issues] == ["include"]


def test_include_takes_braces(tmp_path):
    (tmp_path / "x1").write_text("a\n")
    (tmp_path / "x2").write_text("b\n")
    (tmp_path / "m").write_text("includea x{1,2}\n")
    assert [n.keyword for n in load(tmp_path / "m").root.walk()] == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        "$A=$A x\n$A\n",
        "$A=${B} x\n$B=${A} y\n$A\n",
        "$A=${A}${A}\n${A}\n",
        "~SEQ(A,1,999999) x\n",
        "~SEQ(A,1,9999) ~SEQ(B,1,9999) x\n",
        "a {\n" * 200,
        "$A=" + "x" * 9000 + "\n" + "${A}" * 90 + "\n",
    ],
)
def test_what_would_have_no_end_is_an_error_with_a_place(text):
    with pytest.raises(ConfError) as caught:
        load_text(text, "x.conf", limits=Limits(lines=20_000))
    assert caught.value.where
    assert caught.value.where.startswith("x.conf:")
    assert caught.value.fix


def test_a_file_that_includes_itself(tmp_path):
    (tmp_path / "m").write_text("include m\n")
    with pytest.raises(ConfError, match="nested"):
        load(tmp_path / "m")


def test_no_file(tmp_path):
    with pytest.raises(NotFoundError):
        load(tmp_path / "none.conf")
    with pytest.raises(ConfError):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("a {\n", ["open-block"]),
        ("}\n", ["extra-brace"]),
        ("{\n}\n", ["brace"]),
        ('a "b\n', ["quote"]),
        ("a\0b\n", ["nul"]),
        ("$A=1\nb $C\n", ["undefined"]),
        ("b $C\n", []),
        ("~SEQ(,) x\n", ["repeat"]),
    ],
)
def test_what_is_read_past_is_told(text, kinds):
    assert [i.kind for i in load_text(text).issues] == kinds


def test_places_survive_comments_quotes_and_tabs():
    config = load_text('\tvrrp_instance "V 1" { # x\n  priority\t7 }\n', "x.conf")
    instance, priority = list(config.root.walk())
    assert (instance.arg_at().column, instance.arg_at().end) == (16, 21)
    assert (priority.arg_at().line, priority.arg_at().column) == (2, 12)


def test_several_files_are_one_configuration_each_with_its_own_places(tmp_path: Path):
    first, second = tmp_path / "a.conf", tmp_path / "b.conf"
    first.write_text("$VIP=10.0.0.100\nvrrp_instance A {\n virtual_router_id 7\n")
    second.write_text(" virtual_ipaddress {\n  $VIP\n }\n}\n")
    config = load_all([first, second])
    (instance,) = config.view.instances
    assert (instance.vrid, [v.ip for v in instance.vips]) == (7, ["10.0.0.100"])
    at = instance.vips[0].node.at
    assert (at.file, at.line) == (str(second), 2)
    with pytest.raises(NotFoundError):
        load_all([first, tmp_path / "none.conf"])
