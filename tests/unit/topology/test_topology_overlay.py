"""A topology with some of it said differently: how the two merge, and whose mistake it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from lvslab import topology
from lvslab.topology import TopologyProblems
from lvslab.topology.overlay import lay_over, plain
from lvslab.topology.spec import TopologySpec
from lvslab.topology.yamltree import Document, parse

BASE = """\
name: base
directors: [lvs1, lvs2]
real_servers: {rs1: {address: 172.20.1.10}, rs2: null}
vip: 172.20.1.100
vrrp: {version: 3, advert_int: 0.1}
"""


def merged(base: str, over: str) -> object:
    return plain(lay_over(parse(base, "base.yaml"), parse(over, "over.yaml")))


@pytest.mark.parametrize(
    ("base", "over", "both"),
    [
        # A mapping over a mapping: key by key, at any depth.
        ("{a: 1, b: {c: 2, d: 3}}", "{b: {d: 4, e: 5}}", {"a": 1, "b": {"c": 2, "d": 4, "e": 5}}),
        ("{a: 1}", "{b: 2}", {"a": 1, "b": 2}),
        # What is no mapping replaces what was there.
        ("{a: 1}", "{a: 2}", {"a": 2}),
        ("{a: {b: 1}}", "{a: 2}", {"a": 2}),
        ("{a: {b: 1}}", "{a: [x]}", {"a": ["x"]}),
        ("{a: [x, y]}", "{a: [z]}", {"a": ["z"]}),
        ("{a: 1}", "{a: null}", {"a": None}),
        # A mapping over what is none.
        ("{a: 1}", "{a: {b: 2}}", {"a": {"b": 2}}),
        ("{a: null}", "{a: {b: 2}}", {"a": {"b": 2}}),
        ("{a: []}", "{a: {b: 2}}", {"a": {"b": 2}}),
        # Over a list of mappings: over each of them.
        ("{a: [{b: 1, c: 1}, {b: 2}]}", "{a: {c: 9}}", {"a": [{"b": 1, "c": 9}, {"b": 2, "c": 9}]}),
        # Over a list of names: over what it stands for.
        ("{a: [x, y]}", "{a: {x: {p: 1}}}", {"a": {"x": {"p": 1}, "y": None}}),
        ("{a: [x]}", "{a: {}}", {"a": {"x": None}}),
    ],
)
def test_how_the_two_merge(base: str, over: str, both: object):
    assert merged(base, over) == both


def test_neither_of_the_two_is_changed():
    base, over = parse("{a: {b: [x]}}", "b"), parse("{a: {b: {x: 1}}}", "o")
    plain(lay_over(base, over))
    assert base.root.plain() == {"a": {"b": ["x"]}}
    assert over.root.plain() == {"a": {"b": {"x": 1}}}


def laid(tmp_path: Path, over: str, base: str = BASE) -> TopologySpec:
    file = tmp_path / "base.yaml"
    file.write_text(base)
    return topology.load(file, changes=parse(over, "scenario.yaml"))


def test_a_change_is_as_if_it_had_been_in_the_file(tmp_path: Path):
    spec = laid(tmp_path, "{directors: {lvs2: {priority: 200}}, vrrp: {advert_int: 0.5}}")
    (instance,) = spec.vrrp_instances
    assert instance.by_priority()[0].director == "lvs2"
    assert (instance.version, instance.advert_int) == (3, 0.5)
    assert [d.name for d in spec.directors] == ["lvs1", "lvs2"]


def test_a_change_of_every_virtual_server(tmp_path: Path):
    base = (
        BASE + "virtual_servers: [{vip: 172.20.1.100, port: 80}, {vip: 172.20.1.100, port: 81}]\n"
    )
    spec = laid(tmp_path, "{virtual_servers: {scheduler: wrr, delay_loop: 2}}", base)
    assert [(v.port, v.scheduler, v.delay_loop) for v in spec.virtual_servers] == [
        (80, "wrr", 2.0),
        (81, "wrr", 2.0),
    ]


def problem(tmp_path: Path, over: str, base: str = BASE) -> tuple[str, int, int, str]:
    with pytest.raises(TopologyProblems) as caught:
        laid(tmp_path, over, base)
    (found,) = caught.value.problems
    return Path(found.file).name, found.line, found.column, found.message


def test_a_mistake_in_what_is_laid_over_is_told_there(tmp_path: Path):
    assert problem(tmp_path, "vrrp:\n  advert_int: fast\n")[:3] == ("scenario.yaml", 2, 15)
    assert problem(tmp_path, "vrrp:\n  adverts: 1\n") == (
        "scenario.yaml", 2, 3, "unknown key 'adverts' in vrrp",
    )  # fmt: skip
    assert problem(tmp_path, "directors:\n  lvs2:\n    priority: 900\n")[:3] == (
        "scenario.yaml", 3, 15,
    )  # fmt: skip
    assert problem(tmp_path, "vrrp:\n  version: 2\n")[0] == "base.yaml"


def test_a_mistake_in_the_file_itself_is_told_there(tmp_path: Path):
    base = BASE.replace("advert_int: 0.1", "advert_int: fast")
    file, line, column, _ = problem(tmp_path, "vrrp: {preempt: false}", base)
    assert (file, line) == ("base.yaml", 5)
    assert base.splitlines()[4][column - 1 :].startswith("fast")
    base = BASE.replace("rs2: null", "rs2: {adress: 172.20.1.11}")
    assert problem(tmp_path, "real_servers: {rs1: {address: 172.20.1.12}}", base)[:2] == (
        "base.yaml", 3,
    )  # fmt: skip


def test_a_mistake_in_what_is_laid_over_each_of_a_list_is_at_the_one_mapping(tmp_path: Path):
    base = (
        BASE + "virtual_servers: [{vip: 172.20.1.100, port: 80}, {vip: 172.20.1.100, port: 81}]\n"
    )
    with pytest.raises(TopologyProblems) as caught:
        laid(tmp_path, "virtual_servers:\n  scheduler: fair\n", base)
    assert {(p.file, p.line, p.column) for p in caught.value.problems} == {("scenario.yaml", 2, 14)}


def test_every_place_is_in_the_file_that_is_named():
    document: Document = lay_over(
        parse("{a: [{b: 1}, {b: 2}], c: [x]}", "base"), parse("{a: {d: 3}}", "over")
    )
    for path, file in [
        (("a", 1, "b"), "base"),
        (("a", 1, "d"), "over"),
        (("c", "x"), "base"),
        (("c",), "base"),
        (("nowhere",), "base"),
        ((), "base"),
    ]:
        assert document.problem(path, "wrong").file == file, path
