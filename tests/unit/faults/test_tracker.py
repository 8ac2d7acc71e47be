from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvslab.observe.tracker import Held, InOrder, Tables, Tracker
from lvslab.timeline.events import Event, ProbeResult

from ..timeline.handmade import I, probe

TARGET = "172.20.1.100:80"


def by_arrival(results: list[ProbeResult]) -> list[ProbeResult]:
    return sorted(results, key=lambda r: r.end + (0 if r.good else 1.0))


@given(st.lists(st.booleans(), min_size=1, max_size=200))
def test_results_come_out_in_the_order_of_the_schedule(good: list[bool]) -> None:
    results = probe(lambda s, t: good[s], count=len(good))
    order = InOrder(deadline=1.0)
    assert [r for a in by_arrival(results) for r in order.add(a, 1)] == results


@given(st.randoms(use_true_random=False))
def test_whatever_the_order_of_arrival(rng: random.Random) -> None:
    results = probe(lambda s, t: True, count=50)
    shuffled = list(results)
    rng.shuffle(shuffled)
    order = InOrder(deadline=1.0)
    assert [r for a in shuffled for r in order.add(a, 1)] == results


def test_a_result_that_never_comes_holds_the_others_up_for_a_time_only() -> None:
    results = probe(lambda s, t: True, count=400)
    order = InOrder(deadline=1.0)
    out = [r for a in results[:10] + results[11:] for r in order.add(a, 1)]
    # Request 10 was due at 0.2 s; after deadline and patience the next ones are let go.
    assert out[:10] == results[:10]
    assert out[10:] == results[11:]
    short = InOrder(deadline=1.0)
    held = [r for a in results[:10] + results[11:100] for r in short.add(a, 1)]
    assert held == results[:10]


def test_half_of_the_requests_timing_out_is_never_steady() -> None:
    """The good answers arrive two seconds before the failures between them."""
    tracker = Tracker([TARGET], deadline=1.0)
    steady = []
    for r in by_arrival(probe(lambda s, t: s % 2 == 0, count=500)):
        tracker.add(r)
        steady.append(tracker.steady(0.5))
    assert not any(steady)


def test_loss_and_return_are_told_once_each_at_their_moments() -> None:
    tracker = Tracker([TARGET], deadline=1.0)
    changes = [
        c
        for r in by_arrival(probe(lambda s, t: not 1.99 <= t < 5.0, count=500))
        for c in tracker.add(r)
    ]
    assert [(c.lost, c.result) for c in changes] == [(True, "timeout"), (False, "ok")]
    assert changes[0].t == pytest.approx(1.98 + 0.001)
    assert changes[1].t == pytest.approx(5.0 + 0.001)


def test_steady_needs_every_server_since_the_moment_that_counts() -> None:
    tracker = Tracker([TARGET], deadline=1.0)
    both = {TARGET: frozenset({"rs1", "rs2"})}
    for r in probe(lambda s, t: True, count=200):
        # From 2 s on only rs1 answers.
        tracker.add(replace(r, server="rs1") if r.start >= 2.0 else r)
    assert tracker.steady(1.0, servers=both)
    assert tracker.steady(1.0, since=1.5, servers=both)
    assert not tracker.steady(1.0, since=2.5, servers=both)
    assert tracker.why_not(TARGET, 1.0, since=2.5, servers=both) == f"{TARGET}: no answer from rs2"
    assert not tracker.steady(1.0, since=3.5)


def test_several_targets_must_all_be_steady() -> None:
    tracker = Tracker(["a", "b"], deadline=1.0)
    results = probe(lambda s, t: not (s % 2 and t > 1.0), count=200, interval=I / 2)
    for r in results:
        tracker.add(replace(r, target="ab"[r.seq % 2]))
    assert tracker.why_not("a", 0.5) is None
    assert tracker.why_not("b", 0.5) == "b: requests fail: timeout"
    assert not tracker.steady(0.5)


def test_tables_know_what_is_out_and_what_a_new_keepalived_has() -> None:
    tables = Tables()

    def said(node: str, rs: str, state: str) -> None:
        tables.note(Event(1.0, node, "lvs.rs", {"vs": "v:80", "rs": rs, "state": state}))

    for node in ("lvs1", "lvs2"):
        said(node, "r:80", "DOWN")
    said("lvs1", "s:80", "DOWN")
    said("lvs1", "r:80", "UP")
    assert tables.out == {("lvs1", "v:80", "s:80"), ("lvs2", "v:80", "r:80")}
    tables.note(Event(2.0, "lvs2", "service.started", {"service": "keepalived"}))
    assert tables.out == {("lvs1", "v:80", "s:80")}


def test_held_knows_who_has_a_vip_alone() -> None:
    held = Held()
    held.set("lvs1", ["10.0.0.1"])

    def told(node: str, kind: str, interface: str = "eth0") -> None:
        data = {"interface": interface, "address": "10.0.0.1/32", "vip": True}
        held.note(Event(1.0, node, kind, data))

    assert held.alone("lvs1", ["10.0.0.1"])
    told("rs1", "addr.add", "lo")
    told("rs2", "addr.add", "tunl0")
    assert held.alone("lvs1", ["10.0.0.1"])
    told("lvs2", "addr.add")
    assert not held.alone("lvs1", ["10.0.0.1"])
    told("lvs1", "addr.del")
    assert held.alone("lvs2", ["10.0.0.1"])
    held.set("lvs2", ())
    assert not held.alone("lvs2", ["10.0.0.1"])
