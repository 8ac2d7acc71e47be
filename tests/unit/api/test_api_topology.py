from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import lvslab
from lvslab import LvslabError, Scenario, Topology
from lvslab.errors import NotFoundError, TopologyError
from lvslab.topology import load

TEXT = (
    "directors: [a, b]\nreal_servers: [x]\nvip: 172.20.1.100\nvrrp: {version: 3, advert_int: 1}\n"
)


def test_a_name_is_one_that_ships_and_a_path_is_a_file(tmp_path: Path) -> None:
    shipped = Topology.load("lvs-dr-fast")
    assert shipped == Topology.builtin("lvs-dr-fast")
    assert (shipped.name, shipped.directors, shipped.vips) == (
        "lvs-dr-fast",
        ["lvs1", "lvs2"],
        ["172.21.1.100"],
    )
    file = tmp_path / "mine.yaml"
    file.write_text(TEXT)
    mine = Topology.load(file)
    assert (mine.name, mine.spec) == ("mine", load(file))
    for nowhere in ("nope", tmp_path / "nope.yaml"):
        with pytest.raises(NotFoundError):
            Topology.load(nowhere)


def test_changes_are_laid_over_one_another_and_leave_the_first_as_it_was() -> None:
    first = Topology.from_text(TEXT, name="t")
    fast = first.changed({"vrrp": {"advert_int": 0.1}})
    both = fast.changed({"vrrp": {"preempt": False}})
    (one,) = both.spec.vrrp_instances
    assert one.advert_int == 0.1
    assert any(m.nopreempt for m in one.members)
    assert [i.advert_int for i in first.spec.vrrp_instances] == [1.0]
    assert both.name == "t"
    assert first.changed({"name": "u"}).named("v").changed({"vip": "172.20.1.101"}).name == "v"
    # As bounds go: 3 adverts and the skew of 206/256 of one.
    assert first.bounds("link-down")[0].bound.high == pytest.approx(3.805, abs=0.001)
    assert fast.bounds("link-down")[0].bound.high == pytest.approx(0.3805, abs=0.001)
    assert {p.fault for p in fast.bounds("link-down")} == {"link-down"}


def test_a_wrong_change_is_told_where_it_is() -> None:
    topology = Topology.from_text(TEXT)
    with pytest.raises(TopologyError, match=r"changes:2:3: unknown key 'advert_itn'.*advert_int"):
        topology.changed({"vrrp": {"advert_itn": 1}})
    with pytest.raises(TopologyError, match="not what YAML can say"):
        topology.changed({"vrrp": object()})
    with pytest.raises(TopologyError, match="cannot be changed"):
        Topology(topology.spec).changed({"vrrp": {}})


def test_keepalived_conf_of_a_director_and_of_no_other() -> None:
    topology = Topology.from_text(TEXT)
    assert "172.20.1.100" in topology.keepalived_conf("a")
    with pytest.raises(NotFoundError, match="no director 'x'"):
        topology.keepalived_conf("x")


def test_a_scenario_is_read_for_the_lab_it_is_played_on(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("title: x\nfaults: [{fault: httpd-stop, target: rs1}]\nexpect: [no_outage]\n")
    scenario = Scenario.load(file)
    fast = Topology.builtin("lvs-dr-fast").named("other")
    assert scenario.on(fast.spec).topology.name == "other"
    with pytest.raises(TopologyError, match="no node and no role is called 'rs1'"):
        scenario.on(Topology.from_text(TEXT).spec)


def test_a_scenario_with_changes_of_its_own_is_not_played_without_them(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "title: x\ntopology: lvs-dr-fast\nwith: {vrrp_instances: {VI_1: {preempt: false}}}\n"
        "faults: [{fault: link-down}]\nexpect: [no_outage]\n"
    )
    scenario = Scenario.load(file)
    with pytest.raises(TopologyError, match="a topology that it changes itself"):
        scenario.on(Topology.builtin("lvs-dr-fast").spec)
    # On a lab that was made of it, whatever that is called, it is.
    assert scenario.on(scenario.topology.named("lab").spec).topology.name == "lab"


def test_the_front_is_imported_when_it_is_asked_for() -> None:
    """The command line and every pytest run import the package; neither wants the house."""
    program = (
        "import sys, lvslab;"
        "heavy = ('docker', 'requests', 'pydantic', 'yaml', 'jinja2', 'rich', 'lvslab.api');"
        "print([m for m in heavy if m in sys.modules]);"
        "import lvslab.pytest_plugin; print([m for m in heavy[:5] if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["[]", "[]"]


def test_all_that_is_offered_is_there_and_nothing_else() -> None:
    for name in lvslab.__all__:
        assert getattr(lvslab, name) is not None
    assert lvslab.Lab.__module__ == "lvslab.api.lab"
    assert set(lvslab.__all__) <= set(dir(lvslab))
    assert issubclass(lvslab.NotMeasuredError, LvslabError)
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = lvslab.nothing_such
