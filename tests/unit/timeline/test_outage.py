from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lvslab.timeline.events import ProbeResult
from lvslab.timeline.outage import (
    STEADY_GOOD,
    by_result,
    disturbances,
    interval_of,
    outages,
    shares,
    silence,
    starvation,
)

from .handmade import I, probe


def test_no_failure_no_outage() -> None:
    assert outages(probe(lambda s, t: True, count=100), I) == []
    assert disturbances(probe(lambda s, t: True, count=100), I) == []


def test_known_blackout() -> None:
    # Requests at 0, 0.02, ...; those at 1.00 to 1.48 fall into it: 25 of them.
    results = probe(lambda s, t: not 0.99 <= t < 1.49, count=150)
    (outage,) = outages(results, I)
    assert outage.failed == 25
    assert outage.start == pytest.approx(0.98 + 0.001)
    assert outage.end == pytest.approx(1.50 + 0.001)
    assert outage.seconds == pytest.approx(0.5)
    assert outage.resolution == pytest.approx(I)


def test_an_answer_that_came_after_the_blackout_does_not_begin_it() -> None:
    # The request at 0.98 was connected, its data fell into the black-out and was sent again
    # by TCP 0.2 and 0.6 s later: answered before its deadline, but after the others.
    results = probe(lambda s, t: not 0.99 <= t < 1.49, count=150)
    results[49] = replace(results[49], end=0.98 + 0.6)
    (outage,) = outages(results, I)
    assert outage.start == pytest.approx(0.96 + 0.001)
    assert outage.seconds == pytest.approx(0.52)


@given(
    begin=st.floats(0.5, 2.0),
    length=st.floats(0.0, 4.0),
    phase=st.floats(0.0, I),
    interval=st.sampled_from([0.005, 0.02, 0.1]),
)
def test_reads_any_blackout_to_within_one_interval(
    begin: float, length: float, phase: float, interval: float
) -> None:
    results = probe(
        lambda s, t: not begin <= t < begin + length,
        count=int(8 / interval),
        phase=phase,
        interval=interval,
    )
    found = outages(results, interval)
    if not found:
        assert length <= interval
        return
    (outage,) = found
    assert outage.seconds is not None
    assert abs(outage.seconds - length) <= outage.resolution + 1e-9


@given(
    begin=st.floats(1.0, 2.0),
    length=st.floats(0.3, 3.0),
    late=st.lists(st.floats(0.0, 0.015), min_size=400, max_size=400),
)
def test_a_late_schedule_widens_the_resolution_and_no_more(
    begin: float, length: float, late: list[float]
) -> None:
    results = probe(
        lambda s, t: not begin <= t < begin + length, count=400, late=lambda seq: late[seq]
    )
    (outage,) = outages(results, I)
    assert outage.seconds is not None
    assert abs(outage.seconds - length) <= outage.resolution + 1e-9


def test_both_edges_move_where_both_were_late() -> None:
    # Begins just before a request that was 12 ms late, ends just after one that was in time;
    # the next is 12 ms late again.
    late = {50: 0.012, 100: 0.012}
    results = probe(
        lambda s, t: not 1.0119 <= t < 1.9801, count=150, late=lambda seq: late.get(seq, 0.0)
    )
    (outage,) = outages(results, I)
    assert outage.failed == 50
    assert outage.seconds is not None
    assert outage.seconds == pytest.approx(1.012)
    assert outage.resolution == pytest.approx(I + 0.024)
    assert outage.seconds - (1.9801 - 1.0119) > I + 0.012  # one edge's lateness is not enough


def test_a_request_that_waited_in_a_queue_was_not_served_meanwhile() -> None:
    # The new director comes at 4.0; what the client's kernel queued from 3.2 on is answered
    # then, within its deadline. By starts the outage would read 2.2 s, by service it is 3.0.
    results = probe(lambda s, t: not 1.0 <= t < 3.2, count=300)
    results = [
        replace(r, end=4.0 + 0.001) if r.good and 3.2 <= r.start < 4.0 else r for r in results
    ]
    (outage,) = outages(results, I)
    assert outage.seconds == pytest.approx(3.0, abs=I)


def test_two_outages_are_two() -> None:
    results = probe(lambda s, t: not (1 <= t < 4 or 10 <= t < 15), count=1000)
    first, second = disturbances(results, I)
    assert first.longest.seconds == pytest.approx(3.0, abs=I)
    assert second.longest.seconds == pytest.approx(5.0, abs=I)
    assert first.total
    assert second.total


def test_half_of_the_requests_fail_is_one_disturbance() -> None:
    results = probe(lambda s, t: not (2 <= t < 12 and s % 2), count=1000)
    (one,) = disturbances(results, I, servers=2)
    assert one.failed == 250
    assert one.share == pytest.approx(0.5, abs=0.01)
    assert not one.total
    assert one.longest.seconds == pytest.approx(I)
    assert one.seconds == pytest.approx(10.0, abs=2 * I)
    assert one.by_result == {"timeout": 250}


def test_good_requests_that_join_and_that_separate() -> None:
    def two_failures(apart: int) -> int:
        results = probe(lambda s, t: s not in (50, 50 + apart + 1), count=200)
        return len(disturbances(results, I))

    assert two_failures(STEADY_GOOD - 1) == 1
    assert two_failures(STEADY_GOOD) == 2


def test_an_outage_that_does_not_end_has_no_length() -> None:
    (outage,) = outages(probe(lambda s, t: t < 1, count=100), I)
    assert (outage.seconds, outage.end) == (None, None)
    (one,) = disturbances(probe(lambda s, t: t < 1, count=100), I)
    assert one.seconds is None
    assert one.longest.seconds is None


def test_an_outage_that_was_there_before_the_probe_has_no_length() -> None:
    (outage,) = outages(probe(lambda s, t: t >= 1, count=100), I)
    assert (outage.seconds, outage.start) == (None, None)


@given(st.lists(st.booleans(), min_size=1, max_size=300), st.integers(1, 5))
def test_nothing_is_lost_between_the_groups(good: list[bool], servers: int) -> None:
    results = probe(lambda s, t: good[s], count=len(good))
    single = outages(results, I)
    joined = disturbances(results, I, servers)
    assert sum(o.failed for o in single) == good.count(False)
    assert [o for d in joined for o in d.outages] == single
    assert sum(sum(d.by_result.values()) for d in joined) == good.count(False)
    assert all(0 < d.share <= 1 for d in joined)
    assert by_result(results).get("ok", 0) == good.count(True)


@given(st.lists(st.booleans(), min_size=2, max_size=200), st.floats(-1e6, 1e6))
def test_figures_do_not_depend_on_where_the_clock_stands(good: list[bool], shift: float) -> None:
    assume(not all(good))

    def moved(r: ProbeResult) -> ProbeResult:
        return replace(r, due=r.due + shift, start=r.start + shift, end=r.end + shift)

    results = probe(lambda s, t: good[s], count=len(good))
    for a, b in zip(outages(results, I), outages([moved(r) for r in results], I), strict=True):
        assert a.seconds == (None if b.seconds is None else pytest.approx(b.seconds, abs=1e-6))


def test_shares_by_server() -> None:
    assert shares(probe(lambda s, t: s != 3, count=100)) == {"rs1": 50, "rs2": 49}


def test_starvation_shows_lateness_and_missing_results() -> None:
    results = probe(lambda s, t: True, count=100, late=lambda s: 0.3 if s == 50 else 0.0)
    lateness, missing = starvation(results, I)
    assert lateness == pytest.approx(0.3)
    assert missing == 0
    assert starvation(results[:40] + results[45:], I)[1] == 5
    assert starvation([], I) == (0.0, 0)


def test_lateness_at_an_edge_is_in_the_resolution() -> None:
    results = probe(
        lambda s, t: not 1.0 <= t < 2.0, count=200, late=lambda s: 0.005 if s == 100 else 0.0
    )
    (outage,) = outages(results, I)
    assert outage.resolution == pytest.approx(I + 0.005)


def test_interval_is_that_of_the_schedule_even_with_a_hole() -> None:
    results = probe(lambda s, t: True, count=100)
    assert interval_of(results[:30] + results[50:], 1.0) == pytest.approx(I)
    assert interval_of(results[:1], 1.0) == 1.0


def retransmitted(
    begin: float, end: float, delays: tuple[float, ...] = (0.2, 0.6)
) -> list[ProbeResult]:
    """What starts in the dark is answered by the first retransmission after it."""
    results = []
    for r in probe(lambda s, t: True, count=300):
        if begin <= r.start < end:
            later = [r.start + d for d in delays if r.start + d >= end]
            if later:
                r = replace(r, end=later[0] + 0.001)
            else:
                r = replace(r, result="timeout", server=None, end=r.start + 1.0)
        results.append(r)
    return results


def test_a_silence_without_a_failure_is_seen() -> None:
    results = retransmitted(2.0, 2.6, (0.2, 0.6, 0.8))
    assert all(r.good for r in results)
    assert outages(results, I) == []
    quiet = silence(results, I, since=2.0, until=None)
    assert quiet is not None
    assert quiet.seconds == pytest.approx(0.6, abs=I)
    assert quiet.failed == 0


def test_a_silence_among_failures_is_the_whole_of_it() -> None:
    results = retransmitted(2.0, 2.8)
    assert not all(r.good for r in results)
    quiet = silence(results, I, since=2.0, until=None)
    assert quiet is not None
    assert quiet.seconds == pytest.approx(0.8, abs=I)


def test_short_waits_and_those_before_or_after_are_no_silence() -> None:
    assert silence(probe(lambda s, t: True, count=300), I, 0.0, None) is None
    assert silence(retransmitted(2.0, 2.05, (0.1,)), I, 0.0, None) is None
    results = retransmitted(2.0, 2.6, (0.2, 0.6, 0.8))
    assert silence(results, I, since=3.0, until=None) is None
    assert silence(results, I, since=0.0, until=1.5) is None
    assert silence(probe(lambda s, t: t < 1.0, count=300), I, 0.0, None) is None
