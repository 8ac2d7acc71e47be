from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from lvslab import NotMeasuredError, Scenario
from lvslab.timeline.events import Event

from ..faults.simulated import VIP, World
from .recorded import measured


def test_a_link_down_compares_as_one_expects() -> None:
    seen = measured("lvs1", hold=12.0)
    assert 2.8 <= seen.outage <= 3.85
    assert seen.detect == pytest.approx(seen.outage, abs=0.1)
    assert seen.second_outage == pytest.approx(9.0 - 3.609, abs=0.05)
    assert seen.degraded >= seen.outage
    assert seen.failed > 100
    assert seen.bound == pytest.approx((2.805, 3.805), abs=0.001)
    assert (seen.verdict, seen.within, seen.reasons) == ("within", True, [])
    # Times count from the fault, and there was somebody before it.
    first = seen.holders[VIP][0]
    assert (first.holders, first.start < 0 <= first.end) == (("lvs1",), True)
    assert repr(seen).startswith("<link-down in lvs1: outage ")


def test_nothing_noticed_is_nothing() -> None:
    seen = measured("lvs2", heal := "link-down", then_heal=True)
    assert (seen.fault, seen.outage, seen.failed, seen.degraded) == (heal, 0.0, 0, 0.0)
    assert seen.detect == math.inf
    assert seen.second_outage == 0.0


def test_a_dead_web_server_degrades_and_is_detected_by_every_director() -> None:
    seen = measured("rs1", then_heal=True)
    assert seen.degraded == pytest.approx(9.0, abs=0.1)
    assert seen.outage < 0.2
    assert seen.detect == pytest.approx(9.0, abs=0.1)
    assert set(seen.served_by) == {"rs1", "rs2"}


def test_what_never_ends_is_infinite() -> None:
    world = World()
    # The other director's kernel never answers either.
    world.at(1002.0, lambda: world.answering.clear())
    seen = measured("lvs1", world=world)
    assert seen.outage == math.inf
    assert "without an end" in repr(seen)


def test_a_way_back_that_was_not_watched_is_not_told() -> None:
    seen = measured("lvs1")
    assert seen.bound_back is None
    with pytest.raises(NotMeasuredError, match="was not healed while it was watched") as caught:
        _ = seen.second_outage
    assert "hold=" in (caught.value.fix or "")


def test_a_recording_with_holes_tells_nothing_instead_of_passing(tmp_path: Path) -> None:
    seen = measured("lvs1")
    lost = Event(seen.details.fault_t, "client", "dropped", {"count": 7})
    path = seen.save(tmp_path / "whole.jsonl")
    torn = tmp_path / "torn.jsonl"
    header, *events = path.read_text().splitlines()
    whole = json.loads(header)
    whole["run"]["count"] += 1
    torn.write_text("\n".join([json.dumps(whole), *events, json.dumps(lost.to_json())]) + "\n")
    again = Scenario.history(torn).fault()
    for figure in ("outage", "degraded", "detect", "failed"):
        with pytest.raises(NotMeasuredError, match="client could not deliver 7 events"):
            getattr(again, figure)
    assert again.flaws == ["client could not deliver 7 events"]
    assert again.verdict == "inconclusive"
    # It can be shown all the same.
    assert "link-down in lvs1" in again.text()


@pytest.mark.parametrize(
    ("node", "fault", "more"),
    [
        ("lvs1", "link-down", {"hold": 12.0}),
        ("lvs1", "keepalived-stop", {"then_heal": True}),
        ("lvs1", "keepalived-crash", {}),
        ("lvs2", "link-down", {}),
        ("rs1", "httpd-stop", {"then_heal": True}),
    ],
)
def test_saved_it_reads_the_same_as_a_scenario_of_its_own(
    tmp_path: Path, node: str, fault: str, more: dict[str, Any]
) -> None:
    seen = measured(node, fault, **more)
    played = Scenario.history(seen.save(tmp_path / "deep" / "h.jsonl"))
    assert played.name == f"{fault}-{node}"
    assert played.passed
    assert list(played.faults) == [fault]
    assert played.fault(fault).details == seen.details
    assert played.fault().text() == seen.text()
    # Whatever the configuration promises of it is asked for.
    promised = {
        "outage within auto": seen.bound is not None and node != "rs1",
        "detect within auto": seen.details.run.promise_takeover is not None,
        "second_outage within auto": seen.bound_back is not None,
    }
    assert [c.text for c in played.checks] == [text for text, asked in promised.items() if asked]


def test_what_a_scenario_of_its_own_says_could_be_played(tmp_path: Path) -> None:
    file = tmp_path / "again.yaml"
    file.write_text(measured("lvs1", hold=12.0).history.scenario.source)
    scenario = Scenario.load(file)
    (step,) = scenario.spec.steps
    assert (step.fault, step.target) == ("link-down", "lvs1")
    assert step.hold == pytest.approx(12.0, abs=0.3)
    assert scenario.expect == [
        "outage within auto",
        "detect within auto",
        "second_outage within auto",
    ]
