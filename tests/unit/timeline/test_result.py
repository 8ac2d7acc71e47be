from __future__ import annotations

import io
import random
from dataclasses import replace

import pytest

from lvslab.timeline.events import TimelineError, read, write
from lvslab.timeline.result import analyse, removal_times
from lvslab.timeline.run import Promise, Run

from . import stories
from .handmade import I, as_events, event, probe


def test_a_failover_within_its_bound() -> None:
    result = analyse(*stories.failover())
    assert result.outage is not None
    assert result.outage.seconds == pytest.approx(108.406 - 105.0005, abs=I)
    assert result.verdict.outcome == "within"
    assert result.verdict_back is None
    assert result.holds_now == {stories.VIP: ("lvs2",)}
    assert [s.holders for s in result.holders[stories.VIP]] == [("lvs1",), (), ("lvs2",)]
    assert result.failed == {"timeout": 170}
    assert result.decomposition is not None
    assert [p.until for p in result.decomposition.parts] == [
        "last advert of lvs1",
        "MASTER on lvs2",
        "VIP on lvs2",
        "gratuitous ARP from lvs2",
        "first good request",
    ]
    (reading,) = result.readings
    assert set(reading.shares) == {"rs1", "rs2"}


def test_the_second_outage_is_apart_from_the_first() -> None:
    result = analyse(*stories.there_and_back())
    assert result.outage is not None
    assert result.outage_back is not None
    assert result.outage.seconds == pytest.approx(3.4, abs=2 * I)
    assert result.outage_back.seconds == pytest.approx(4.9, abs=2 * I)
    assert result.verdict_back is not None
    assert result.verdict_back.outcome == "within"
    assert result.decomposition_back is not None
    assert [p.until for p in result.decomposition_back.parts] == [
        "VIP on lvs1",
        "a real server back in the table of lvs1",
        "first good request",
    ]


def test_a_crash_has_two_holders_no_outage_and_a_takeover() -> None:
    result = analyse(*stories.crash())
    assert result.outage is None
    assert result.verdict.outcome == "within"
    assert result.verdict_takeover is not None
    assert result.verdict_takeover.measured == pytest.approx(3.2)
    assert result.holds_now == {stories.VIP: ("lvs1", "lvs2")}


def test_a_dead_httpd_is_a_disturbance_until_its_removal() -> None:
    result = analyse(*stories.httpd_stop())
    assert result.disturbance is not None
    assert result.disturbance.share == pytest.approx(0.5, abs=0.01)
    assert result.verdict.measured == pytest.approx(11.5, abs=3 * I)
    assert result.verdict.outcome == "within"
    assert removal_times(result) == {"lvs1": pytest.approx(11.5)}


@pytest.mark.parametrize(
    ("lower", "upper", "outcome"),
    [
        (2.805, 3.805, "within"),
        # 3.4 s measured, allowance 0.25 s, resolution 0.02 s.
        (2.0, 3.2, "within"),
        (2.0, 3.1, "outside"),
        (3.6, 4.6, "within"),
        (3.7, 4.7, "outside"),
        (0.0, 0.0, "outside"),
    ],
)
def test_the_verdict_turns_where_the_bound_ends(lower: float, upper: float, outcome: str) -> None:
    run, events = stories.failover()
    result = analyse(replace(run, promise=Promise("outage", lower, upper, "f")), events)
    assert result.verdict.outcome == outcome
    assert bool(result.verdict.reasons) == (outcome != "within")


def test_without_a_promise_there_is_no_verdict_but_a_figure() -> None:
    run, events = stories.failover()
    verdict = analyse(replace(run, promise=None), events).verdict
    assert verdict.outcome == "no-bound"
    assert verdict.measured == pytest.approx(3.4, abs=I)


def test_not_back_after_the_bound_is_outside_and_before_it_cannot_tell() -> None:
    run, events = stories.failover()
    rest = [e for e in events if e.kind != "probe.result"]
    dark = [*rest, *as_events(stories.served((105.0, 200.0)))]
    assert analyse(run, dark).verdict.outcome == "outside"
    short = analyse(replace(run, recorded_until=106.0), dark).verdict
    assert short.outcome == "inconclusive"
    assert "watched for 1.000 s only" in short.reasons[0]


@pytest.mark.parametrize("kind", ["late", "missing", "dropped", "before", "nothing", "unseen"])
def test_a_reading_that_cannot_be_relied_on_is_inconclusive(kind: str) -> None:
    run, events = stories.failover()
    rest = [e for e in events if e.kind != "probe.result"]
    results = stories.served((105.0005, 108.406))
    if kind == "late":
        # Starved from the fault on: what was due from 105.0 to 105.9 started at 105.9.
        results = probe(
            lambda s, t: not 105.0005 <= t < 108.406,
            count=1000,
            phase=100.0,
            late=lambda s: max(0.0, 5.9 - s * I) if s >= 250 else 0.0,
        )
    elif kind == "missing":
        results = results[:600] + results[620:]
    elif kind == "before":
        results = stories.served((104.3, 104.5), (105.0005, 108.406))
    elif kind == "nothing":
        results = []
    elif kind == "dropped":
        rest.append(event(106.0, "client", "dropped", count=3))
    elif kind == "unseen":
        rest = [e for e in rest if e.kind != "fault.injected"]
    verdict = analyse(run, [*rest, *as_events(results)]).verdict
    assert verdict.outcome == "inconclusive"
    assert verdict.reasons


def test_what_was_over_well_before_the_fault_does_not_matter() -> None:
    run, events = stories.failover()
    rest = [e for e in events if e.kind != "probe.result"]
    results = stories.served((102.0, 102.3), (105.0005, 108.406))
    result = analyse(run, [*rest, *as_events(results)])
    assert result.readings[0].before
    assert result.verdict.outcome == "within"


@pytest.mark.parametrize(
    ("gap", "there", "back"),
    [
        ((101.0, 101.6), "within", "within"),
        ((103.8, 104.4), "inconclusive", "within"),
        ((109.0, 109.4), "inconclusive", "within"),
        ((120.0, 120.4), "within", "inconclusive"),
    ],
)
def test_a_gap_spoils_only_the_verdict_that_it_lies_in(
    gap: tuple[float, float], there: str, back: str
) -> None:
    run, events = stories.there_and_back()
    kept = [
        e for e in events if e.kind != "probe.result" or not gap[0] <= float(e.data["due"]) < gap[1]
    ]
    result = analyse(run, kept)
    assert result.readings[0].missing == pytest.approx((gap[1] - gap[0]) / I, abs=1)
    assert result.verdict.outcome == there
    assert result.verdict_back is not None
    assert result.verdict_back.outcome == back


def test_a_request_under_way_when_the_fault_came_belongs_to_it() -> None:
    run, events = stories.failover()
    rest = [e for e in events if e.kind != "probe.result"]
    # Started 10 ms before the fault, and lost by it.
    result = analyse(run, [*rest, *as_events(stories.served((104.979, 108.406)))])
    assert not result.readings[0].before
    assert result.verdict.outcome == "within"


def test_the_same_figures_from_the_recording_in_any_order() -> None:
    for story in (stories.failover, stories.there_and_back, stories.crash, stories.httpd_stop):
        run, events = story()
        first = analyse(run, events)
        out = io.StringIO()
        random.Random(7).shuffle(events)
        write(out, run.to_json(), events)
        header, again = read(io.StringIO(out.getvalue()))
        second = analyse(Run.from_json(header), again)
        assert second.run == first.run
        assert second.readings == first.readings
        assert second.holders == first.holders
        assert second.verdict == first.verdict
        assert second.verdict_back == first.verdict_back
        assert second.decomposition == first.decomposition


def test_a_run_that_is_none_is_refused() -> None:
    with pytest.raises(TimelineError, match="not the description of a run"):
        Run.from_json({"lab": "x"})
    good = stories.RUN.to_json()
    with pytest.raises(TimelineError):
        Run.from_json({**good, "promise": {"quantity": "outage"}})
