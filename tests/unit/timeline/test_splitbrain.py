"""Two directors hold the VIP from 10 to 20, and the adverts on the wire say why."""

from __future__ import annotations

from typing import Any

import pytest

from lvslab.timeline.events import Event
from lvslab.timeline.holders import Span
from lvslab.timeline.splitbrain import CAUSES, SplitBrain, split_brains

from .handmade import event

VIP = "172.20.1.100"
ADDRESS = {"lvs1": "172.20.1.1", "lvs2": "172.20.1.2"}
SPLIT = {
    VIP: [
        Span(0, 10, ("lvs1",)),
        Span(10, 20, ("lvs1", "lvs2")),
        Span(20, 30, ("lvs1",)),
    ]
}
SAID: dict[str, Any] = {
    "vrid": 51,
    "priority": 100,
    "version": 2,
    "dst": "224.0.0.18",
    "interval": 1.0,
    "auth": "PASS/1",
    "vips": [VIP],
}


def wire(
    sent: dict[str, dict[str, Any] | None], lost: tuple[tuple[str, str], ...] = ()
) -> list[Event]:
    """Each second, each that speaks sends what it says; the other gets it, unless it is lost."""
    events = []
    for second in range(31):
        for node, said in sent.items():
            if said is None and second > 7:
                continue
            data = SAID | {"src": ADDRESS[node]} | (said or {})
            if node == "lvs2" and second < 10:
                continue
            events.append(event(second + 0.1, node, "vrrp.advert", dir="out", **data))
            other = "lvs2" if node == "lvs1" else "lvs1"
            if (node, other) not in lost:
                events.append(event(second + 0.1, other, "vrrp.advert", dir="in", **data))
    return events


def split(events: list[Event]) -> SplitBrain:
    (found,) = split_brains(events, SPLIT, ADDRESS, {VIP: 1.0})
    assert (found.start, found.end, found.nodes) == (10, 20, ("lvs1", "lvs2"))
    return found


@pytest.mark.parametrize(
    ("cause", "other", "said"),
    [
        ("vrid", {"vrid": 52}, "lvs1 51, lvs2 52"),
        ("version", {"version": 3, "auth": None}, "lvs1 2, lvs2 3"),
        ("auth", {"auth": "PASS/2"}, "authentication differs"),
        ("auth", {"auth": "none"}, "lvs1 PASS, lvs2 none"),
        ("advert_int", {"interval": 2.0}, "lvs1 1 s, lvs2 2 s"),
        ("vips", {"vips": [VIP, "172.20.1.101"]}, "lvs2 172.20.1.100, 172.20.1.101"),
        ("vips", {"vips": ["172.20.1.101"]}, "lvs2 172.20.1.101"),
        ("unicast", {"dst": "172.20.1.1"}, "lvs2 speaks to its peers alone"),
        ("filtered", {}, "something in the node drops them"),
    ],
)
def test_what_differs_is_the_cause(cause: str, other: dict[str, Any], said: str):
    found = split(wire({"lvs1": {}, "lvs2": {"priority": 50} | other}))
    assert found.cause == cause
    assert said in found.why


def test_the_password_is_not_told():
    found = split(wire({"lvs1": {}, "lvs2": {"auth": "PASS/2"}}))
    assert "PASS/" not in found.why


def test_one_that_says_nothing_any_more_is_dead_or_frozen():
    found = split(wire({"lvs1": None, "lvs2": {"priority": 50}}))
    assert (found.cause, found.why.split(" sends")[0]) == ("silent", "lvs1")


def test_what_is_said_while_a_split_ends_is_not_its_cause():
    """lvs1 thaws at 19, and both speak until lvs2 has given way."""
    thawed = [e for e in wire({"lvs1": {}}) if e.t >= 19]
    events = wire({"lvs1": None, "lvs2": {"priority": 50}})
    assert split(sorted([*events, *thawed], key=lambda e: e.t)).cause == "silent"


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ((("lvs1", "lvs2"), ("lvs2", "lvs1")), "lvs1's adverts do not reach lvs2 and lvs2's"),
        ((("lvs1", "lvs2"),), "lvs1's adverts do not reach lvs2"),
    ],
)
def test_adverts_that_do_not_arrive_are_a_partition(lost: tuple[tuple[str, str], ...], said: str):
    found = split(wire({"lvs1": {}, "lvs2": {"priority": 50}}, lost))
    assert found.cause == "partition"
    assert found.why.startswith(said)


def test_one_that_is_no_director_is_the_cause_whatever_the_wire_says():
    spans = {VIP: [Span(10, 20, ("lvs1", "rs1"))]}
    (found,) = split_brains(wire({"lvs1": {}}), spans, ADDRESS, {VIP: 1.0})
    assert (found.cause, found.why.split(" ")[0]) == ("stranger", "rs1")


def test_one_that_spoke_once_when_it_took_the_vip_did_not_die():
    other = {"priority": 50, "interval": 2.0}
    events = [
        e for e in wire({"lvs1": {}, "lvs2": other})
        if e.data["src"] != ADDRESS["lvs2"] or 10 <= e.t < 10.5
    ]  # fmt: skip
    assert split(events).cause == "advert_int"


def test_nothing_on_the_wire_tells_nothing():
    assert split([]).cause is None


def test_a_handing_over_is_no_split():
    spans = {VIP: [Span(0, 10, ("lvs1",)), Span(10, 10.4, ("lvs1", "lvs2")), Span(10.4, 20, ())]}
    assert split_brains([], spans, ADDRESS, {VIP: 0.1}) == []


def test_two_instances_are_told_apart_by_their_vips():
    """lvs2 holds another VIP of another instance rightly, and speaks of it, too."""
    events = wire({"lvs1": {}, "lvs2": {"vrid": 52, "vips": ["172.20.1.101"]}})
    events += wire({"lvs2": {"vrid": 51, "priority": 50, "interval": 2.0}})
    assert split(sorted(events, key=lambda e: e.t)).cause == "advert_int"


def test_every_cause_has_its_test():
    assert set(CAUSES) == {
        "silent", "vrid", "version", "unicast", "auth", "advert_int", "vips", "partition",
        "filtered", "stranger",
    }  # fmt: skip
