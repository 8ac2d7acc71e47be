from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvslab.timeline.events import Event
from lvslab.timeline.holders import contested, holders, vacant

from .handmade import event, vip

VIP = "172.20.1.100"
INITIAL = [
    event(0.0, "lvs1", "lab.initial", holds=[VIP]),
    event(0.0, "lvs2", "lab.initial", holds=[]),
]


def who(events: list[Event], end: float = 20.0) -> list[tuple[float, float, tuple[str, ...]]]:
    spans = holders(events, [VIP], 0.0, end)[VIP]
    return [(s.start, s.end, s.holders) for s in spans]


def test_a_failover() -> None:
    events = [*INITIAL, vip(5.0, "lvs1", added=False), vip(8.0, "lvs2", added=True)]
    assert who(events) == [(0, 5, ("lvs1",)), (5, 8, ()), (8, 20, ("lvs2",))]


def test_a_crash_leaves_two() -> None:
    events = [*INITIAL, vip(8.0, "lvs2", added=True)]
    spans = holders(events, [VIP], 0.0, 20.0)[VIP]
    assert [s.holders for s in contested(spans)] == [("lvs1", "lvs2")]
    assert contested(spans)[0].seconds == 12.0
    assert vacant(spans) == []


def test_power_off_takes_the_addresses_with_it() -> None:
    off = event(5.0, "lvs1", "fault.injected", fault="power-off", id="1")
    assert who([*INITIAL, off])[1:] == [(5, 20, ())]
    other = event(5.0, "lvs1", "fault.injected", fault="freeze", id="1")
    assert who([*INITIAL, other]) == [(0, 20, ("lvs1",))]


def test_the_vip_on_lo_or_a_tunnel_and_other_addresses_do_not_count() -> None:
    events = [
        *INITIAL,
        event(3.0, "rs1", "addr.add", interface="lo", address=VIP, vip=True),
        event(3.0, "rs2", "addr.add", interface="tunl0", address=VIP, vip=True),
        event(3.0, "lvs2", "addr.add", interface="eth0", address="172.20.1.2", vip=False),
    ]
    assert who(events) == [(0, 20, ("lvs1",))]


def test_order_of_arrival_does_not_matter_and_prefixes_do_not_either() -> None:
    events = [
        event(8.0, "lvs2", "addr.add", interface="eth0", address=VIP + "/32", vip=True),
        vip(5.0, "lvs1", added=False),
        *INITIAL,
    ]
    assert who(events) == [(0, 5, ("lvs1",)), (5, 8, ()), (8, 20, ("lvs2",))]


def test_repeated_adds_are_one_span_and_events_after_the_end_are_not_looked_at() -> None:
    events = [*INITIAL, vip(3.0, "lvs1", added=True), vip(30.0, "lvs1", added=False)]
    assert who(events) == [(0, 20, ("lvs1",))]


@given(
    st.lists(
        st.tuples(st.floats(0, 10), st.sampled_from(["lvs1", "lvs2", "lvs3"]), st.booleans()),
        max_size=40,
    )
)
def test_spans_cover_the_whole_without_gap_and_agree_with_a_replay(
    changes: list[tuple[float, str, bool]],
) -> None:
    events = [*INITIAL, *(vip(t, n, added=a) for t, n, a in changes)]
    spans = holders(events, [VIP], 0.0, 10.0)[VIP]
    assert spans[0].start == 0.0
    assert spans[-1].end == 10.0
    assert all(a.end == b.start and a.holders != b.holders for a, b in pairwise(spans))
    assert sum(s.seconds for s in spans) == pytest.approx(10.0)
    for span in spans:
        middle = (span.start + span.end) / 2
        if middle in (span.start, span.end):
            continue
        held = {"lvs1"}
        for t, node, added in sorted(changes, key=lambda c: c[0]):
            if t <= middle:
                (held.add if added else held.discard)(node)
        assert span.holders == tuple(sorted(held))
