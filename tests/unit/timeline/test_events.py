from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvslab.timeline.events import (
    Event,
    ProbeResult,
    TimelineError,
    parse_line,
    probe_results,
    read,
    write,
)

from .handmade import advert, as_events, probe, vip


def test_an_agents_line() -> None:
    event = parse_line(
        '{"t": 5.25, "node": "lvs1", "ev": "vrrp.state", "instance": "VI_1", '
        '"state": "MASTER", "priority": 100}'
    )
    assert event == Event(
        5.25, "lvs1", "vrrp.state", {"instance": "VI_1", "state": "MASTER", "priority": 100}
    )


def test_a_reply_is_no_event() -> None:
    assert parse_line('{"t": 1, "node": "lvs1", "re": 7, "ok": true, "result": {}}') is None


def test_an_unknown_kind_is_kept() -> None:
    event = parse_line('{"t": 1, "node": "lvs1", "ev": "novel.thing", "x": [1]}')
    assert event is not None
    assert event.data == {"x": [1]}


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("nonsense", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"node": "a", "ev": "link"}', "without 't'"),
        ('{"t": "1", "node": "a", "ev": "x"}', "wrong type"),
        ('{"t": true, "node": "a", "ev": "x"}', "wrong type"),
        ('{"t": 1, "node": "a", "ev": "link", "interface": "eth0"}', "'up' is missing"),
        ('{"t": 1, "node": "a", "ev": "link", "interface": "eth0", "up": 1}', "'up' is missing"),
        (
            '{"t": 1, "node": "a", "ev": "probe.result", "seq": true, "due": 1, "start": 1, '
            '"end": 1, "result": "ok"}',
            "'seq'",
        ),
    ],
)
def test_a_broken_line_says_what_is_wrong(line: str, what: str) -> None:
    with pytest.raises(TimelineError, match=what):
        parse_line(line, "x:1")


def test_an_unknown_probe_result_is_not_taken_for_good() -> None:
    line = {"t": 1, "node": "c", "ev": "probe.result", "seq": 1, "due": 1, "start": 1, "end": 1}
    with pytest.raises(TimelineError, match="'fine'"):
        ProbeResult.of(Event.from_agent({**line, "result": "fine"}))


def test_results_come_back_in_the_order_of_the_schedule() -> None:
    made = probe(lambda s, t: not 0.5 <= t < 1.0, count=100)
    events = as_events(made)
    assert [e.data["seq"] for e in events] != list(range(100))
    assert probe_results(events) == made


def test_a_target_may_be_an_object() -> None:
    made = as_events(probe(lambda s, t: True, count=1))[0]
    other = Event(made.t, made.node, made.kind, {**made.data, "target": {"vip": "a", "port": 8}})
    assert ProbeResult.of(other).target == "a:8"


@given(st.lists(st.floats(0, 1e7, allow_nan=False), max_size=20))
def test_a_written_timeline_reads_back_to_the_last_bit(times: list[float]) -> None:
    events = [vip(t, "lvs1", added=True) for t in times] + [advert(t, "lvs2") for t in times]
    out = io.StringIO()
    write(out, {"lab": "x", "rate": 50.0}, events)
    assert read(io.StringIO(out.getvalue())) == ({"lab": "x", "rate": 50.0}, events)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "t:1"),
        ('{"t": 1}\n', "t:1"),
        ('{"format": "lvslab-timeline", "version": 99, "run": {}}\n', "t:1"),
        ('{"format": "lvslab-timeline", "version": 1}\n', "t:1"),
        ('{"format": "lvslab-timeline", "version": 1, "run": {}}\n{"t": 1, "no', "t:2"),
    ],
)
def test_what_is_no_timeline_is_refused_with_its_line(text: str, where: str) -> None:
    with pytest.raises(TimelineError) as caught:
        read(io.StringIO(text), "t")
    assert caught.value.where == where
