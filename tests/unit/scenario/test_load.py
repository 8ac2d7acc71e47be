"""A scenario file to what a run is made from. Its errors are golden pairs: see ``errors/``."""

from __future__ import annotations

from pathlib import Path

import pytest

from lvslab.errors import NotFoundError
from lvslab.scenario import library
from lvslab.scenario.language import Auto
from lvslab.scenario.load import load
from lvslab.scenario.spec import ScenarioSpec
from lvslab.topology import TopologyProblems

WHOLE = """\
title: Two faults
teaches: |
  A sentence.
tags: [ci]
topology: lvs-dr-fast
with: {vrrp_instances: {VI_1: {advert_int: 0.2}}}
steady_state: {for: 2s, within: 30}
load: {rate: 25, deadline: 500ms}
faults:
  - {fault: httpd-stop, at: 1.5s, phase: 0.25, for: 2m}
  - {name: second, fault: link-down, target: lvs2}
watch: 5s
expect: [rs_removed within auto, outage of second <= auto]
repeat: 3
from: restored
"""


def written(tmp_path: Path, text: str, name: str = "a-file.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def read(tmp_path: Path, text: str, **more: str) -> ScenarioSpec:
    return load(written(tmp_path, text), **more)  # type: ignore[arg-type]


def test_all_that_a_file_can_say(tmp_path: Path):
    spec = read(tmp_path, WHOLE)
    assert (spec.name, spec.title, spec.teaches) == ("a-file", "Two faults", "A sentence.")
    assert (spec.tags, spec.repeat, spec.origin, spec.watch) == (("ci",), 3, "restored", 5.0)
    assert (spec.steady.lasting, spec.steady.within) == (2.0, 30.0)
    assert (spec.load.rate, spec.load.deadline) == (25.0, 0.5)
    first, second = spec.steps
    assert (first.name, first.fault, first.target) == (
        "httpd-stop",
        "httpd-stop",
        "any_real_server",
    )
    assert (first.at, first.phase, first.hold) == (1.5, 0.25, 120.0)
    assert (second.name, second.target) == ("second", "lvs2")
    assert (second.at, second.phase, second.hold) == (0.0, None, None)
    assert [s.subject for s in spec.expect] == ["rs_removed", "outage"]
    assert spec.expect[1].value == Auto()
    assert spec.topology.vrrp_instances[0].advert_int == 0.2
    assert spec.source == WHOLE


def test_the_least_that_a_file_must_say(tmp_path: Path):
    spec = read(tmp_path, "title: Nothing happens\nexpect: [no_outage]\n")
    assert spec.topology.name == "lvs-dr"
    assert (spec.steps, spec.watch, spec.repeat, spec.origin) == ((), None, 1, "running")


def test_the_lab_is_called_as_one_says(tmp_path: Path):
    text = "title: x\nexpect: [no_outage]\n"
    assert load(written(tmp_path, text), lab="mine").topology.name == "mine"


def test_a_topology_is_looked_for_beside_the_scenario(tmp_path: Path):
    written(tmp_path, "directors: [a, b]\nreal_servers: [c]\nvip: 172.20.1.100\n", "own.yaml")
    spec = read(tmp_path, "title: x\ntopology: own.yaml\nexpect: [no_outage]\n")
    assert [d.name for d in spec.topology.directors] == ["a", "b"]


def test_another_topology_can_be_taken(tmp_path: Path):
    text = (
        "title: x\ntopology: nowhere.yaml\nexpect: [new_holder == a]\nfaults: [{fault: freeze}]\n"
    )
    own = written(tmp_path, "directors: [a, b]\nreal_servers: [c]\nvip: 172.20.1.100\n", "own.yaml")
    assert load(written(tmp_path, text), topology=own).topology.directors[0].name == "a"
    with pytest.raises(TopologyProblems, match=r"a-file\.yaml:2:11: no file and no topology"):
        load(written(tmp_path, text))
    # One that is not there is not the file's mistake.
    with pytest.raises(NotFoundError) as caught:
        load(written(tmp_path, text), topology=tmp_path / "gone.yaml")
    assert caught.value.where == str(tmp_path / "gone.yaml")


@pytest.mark.parametrize("value", ["true", "-1s", "2h", "1d", "soon", "[1]", "null", "0.001"])
def test_what_is_no_duration(tmp_path: Path, value: str):
    text = f"title: x\nexpect: [no_outage]\nfaults: [{{fault: freeze, for: {value}}}]\n"
    if value == "null":
        assert read(tmp_path, text).steps[0].hold is None
        return
    with pytest.raises(TopologyProblems) as caught:
        read(tmp_path, text)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (3, 31)


def test_every_scenario_that_ships_is_right_and_teaches():
    specs = library.load_all(library.shipped().values())
    assert {s.name for s in specs} == set(library.shipped())
    for spec in specs:
        assert spec.teaches, spec.name


# --- by name -----------------------------------------------------------------------------

OK = "title: x\nexpect: [no_outage]\n"


def test_scenarios_are_found_by_name_file_and_folder(tmp_path: Path):
    one, two = written(tmp_path, OK, "one.yaml"), written(tmp_path, OK, "two.yml")
    written(tmp_path, "no scenario", "notes.txt")
    assert library.find([str(tmp_path)]) == [one, two]
    assert library.find([str(two), str(tmp_path)]) == [two, one]
    assert library.find(["link-down"]) == [library.shipped()["link-down"]]
    with pytest.raises(
        NotFoundError, match="no file and no scenario is called 'link-dwn'"
    ) as caught:
        library.find(["link-dwn"])
    assert "did you mean 'link-down'?" in (caught.value.fix or "")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match="no scenario is in this folder"):
        library.find([str(tmp_path / "empty")])


def test_everything_that_is_wrong_in_any_of_them_is_told_file_by_file(tmp_path: Path):
    bad = [
        written(tmp_path, f"title: x\nrepeat: 0\nexpect: [{text}]\n", f"{name}.yaml")
        for name, text in (("b", "nothing"), ("a", "outage"))
    ]
    with pytest.raises(TopologyProblems) as caught:
        library.load_all([written(tmp_path, OK, "ok.yaml"), *bad])
    assert [(Path(p.file).name, p.line) for p in caught.value.problems] == [
        ("a.yaml", 2),
        ("b.yaml", 2),
    ]


def test_two_scenarios_of_one_name_are_refused(tmp_path: Path):
    (tmp_path / "other").mkdir()
    paths = [written(tmp_path, OK), written(tmp_path / "other", OK)]
    with pytest.raises(TopologyProblems, match="called 'a-file' too"):
        library.load_all(paths)
    assert len(library.load_all(paths[:1])) == 1
