from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from lvslab.cli.highlight import report_line
from lvslab.cli.output import Output, cell_text, to_json


@dataclass(frozen=True)
class Thing:
    name: str
    address: IPv4Address
    of: tuple[str, ...]


def test_json_of_what_lvslab_has() -> None:
    value = {
        "thing": Thing("b", IPv4Address("172.20.1.1"), ("x", "y")),
        "net": IPv4Network("172.20.0.0/16"),
        "roles": frozenset({"b", "a"}),
        "path": Path("/a/b"),
        "none": None,
    }
    assert json.loads(to_json(value)) == {
        "thing": {"name": "b", "address": "172.20.1.1", "of": ["x", "y"]},
        "net": "172.20.0.0/16",
        "roles": ["a", "b"],
        "path": "/a/b",
        "none": None,
    }


def test_json_refuses_what_it_would_have_to_guess() -> None:
    with pytest.raises(TypeError, match="no JSON form for object"):
        to_json({"x": object()})


def test_with_json_stdout_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(as_json=True)
    out.text("for people")
    out.table(("A",), [("b",)])
    out.data({"a": 1})
    out.warn("careful")
    out.next("lvslab up")
    said = capsys.readouterr()
    assert json.loads(said.out) == {"a": 1}
    assert said.err == "warning: careful\n"


def test_without_json_no_document(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output()
    out.data({"a": 1})
    out.table(("NAME", "UP", "OF"), [("x [red]", True, ["a", "b"]), ("y", None, [])])
    out.next("lvslab up", "lvslab plan")
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "NAME     UP   OF",
        "x [red]  yes  a, b",
        "y        -    -",
        "next: lvslab up   lvslab plan",
    ]


@pytest.mark.parametrize(
    ("cell", "shown"), [(None, "-"), (0, "0"), (False, "no"), ((), "-"), ("[b]", "[b]")]
)
def test_cells(cell: object, shown: str) -> None:
    assert cell_text(cell) == shown


def test_what_is_no_markup_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    odd = "[red]a :smile: b \\"
    out = Output()
    out.line(odd)
    out.table(("NAME",), [(odd,)])
    out.warn(odd)
    told = capsys.readouterr()
    assert [line.rstrip() for line in told.out.splitlines()] == [odd, "NAME", odd]
    assert told.err == f"warning: {odd}\n"


def test_a_report_is_wrapped_under_its_text_and_not_otherwise_changed() -> None:
    line = "  bound        outage 2.805 to 3.805 s, give or take 0.25 s: 3 x 1 s + (256 - 50)/256"
    assert report_line(line, None).plain == line
    wrapped = report_line(line, 50).plain.splitlines()
    assert all(len(one) <= 50 for one in wrapped)
    assert all(one.startswith(" " * 15 + one.strip()[0]) for one in wrapped[1:])
    assert " ".join(" ".join(wrapped).split()) == " ".join(line.split())


@pytest.mark.parametrize(
    ("line", "style", "words"),
    [
        ("   +0.000 s  lvs1     FAULT link-down", "bad", "FAULT link-down"),
        ("   +3.368 s  lvs2     VRRP VI_1: MASTER", "good", "MASTER"),
        ("  verdict      within: measured 3.366 s ± 0.022 s", "good", "within"),
        ("  verdict      OUTSIDE: measured not seen", "bad", "OUTSIDE"),
        ("  outage       3.366 s ± 0.022 s", "figure", "3.366 s ± 0.022 s"),
        ("  VIP now      172.20.1.100 on lvs1", "label", "VIP now"),
    ],
)
def test_what_matters_in_a_report_stands_out(line: str, style: str, words: str) -> None:
    text = report_line(line, None)
    assert words in [
        text.plain[s.start : s.end] for s in text.spans if s.style == f"report.{style}"
    ]
