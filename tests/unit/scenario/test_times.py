"""How long it took, held to the configuration's own bound and to a person's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lvslab.scenario.history import FaultRun
from lvslab.timeline.events import Event

from ..plan.specs import article, instance, pool, virtual_server
from ..timeline.handmade import as_events, event, probe, vip
from ..timeline.stories import (
    BY_ADDRESS,
    crash,
    failover,
    fault,
    served,
    there_and_back,
)
from .played import (
    HELD,
    Story,
    check,
    outcome,
    put_back,
    quiet,
    removed,
    step,
    taken_over,
)

# The article's pair: 2.805 to 3.805 s, and 0.25 s for processes that have to wake up. The probe
# is good to 0.02 s.


@pytest.mark.parametrize(
    ("seconds", "within", "at_most"),
    [
        (2.4, "fail", "pass"),
        (2.6, "pass", "pass"),
        (3.3, "pass", "pass"),
        (4.03, "pass", "pass"),
        (4.15, "fail", "fail"),
    ],
)
def test_an_outage_against_the_bound_of_the_configuration(
    seconds: float, within: str, at_most: str
):
    assert outcome(taken_over(seconds), "outage within auto") == within
    assert outcome(taken_over(seconds), "outage <= auto") == at_most


def test_a_check_tells_the_figure_the_bound_and_by_how_much_it_is_missed():
    long = check(taken_over(4.5), "outage within auto")
    assert long.low == pytest.approx(2.805, abs=1e-3)
    assert long.high == pytest.approx(3.805, abs=1e-3)
    assert long.measured == pytest.approx(4.5, abs=0.025)
    assert long.unit == "s"
    assert long.wanted == "2.805 to 3.805 s, ± 0.25 s"
    assert "longer than promised" in long.why
    assert "3 x 1 s + (256 - 50)/256 = 3.805 s" in long.formula
    short = check(taken_over(2.0), "outage within auto")
    assert "shorter than promised: something else happened" in short.why


@pytest.mark.parametrize(
    ("seconds", "text", "wanted"),
    [
        # A person's own limit has no allowance, only what the probe itself cannot tell.
        (3.98, "outage <= 4s", "pass"),
        (4.1, "outage <= 4s", "fail"),
        (4.1, "outage within 4s", "fail"),
        (4.1, "outage within 4s..5s", "pass"),
        (3.9, "outage within 4s..5s", "fail"),
        (3.0, "outage <= 4000ms", "pass"),
        (3.9, "detect <= 4s", "pass"),
        (4.01, "detect <= 4s", "fail"),
        (3.9, "detect within 3s..3.8s", "fail"),
        (4.03, "detect within auto", "pass"),
        (4.06, "detect within auto", "fail"),
        (2.5, "detect within auto", "fail"),
        (2.5, "detect <= auto", "pass"),
    ],
)
def test_a_limit_that_a_person_wrote_is_meant_as_it_is_written(
    seconds: float, text: str, wanted: str
):
    assert outcome(taken_over(seconds), text) == wanted


def test_an_own_limit_is_told_without_an_allowance():
    assert check(taken_over(3.0), "outage <= 4s").wanted == "at most 4.000 s"
    assert check(taken_over(3.0), "outage within 1s..4s").wanted == "1.000 to 4.000 s"


def test_a_crash_is_detected_though_no_client_notices():
    assert outcome(crash(), "detect within auto") == "pass"
    found = check(crash(), "outage within auto")
    assert (found.outcome, found.measured) == ("pass", 0.0)


def test_nothing_moved_though_it_was_watched_for_long_is_a_fail():
    run, events = quiet()
    story = (run, [*events, fault(105.0)])
    assert outcome(story, "detect within auto") == "fail"
    # What is in time on a crash is not, when it is never.
    assert "no takeover within 15.000 s" in check(story, "detect within auto").why


def test_what_was_not_watched_for_as_long_as_its_bound_cannot_be_told():
    run, events = quiet()
    story = (replace(run, recorded_until=108.0), [e for e in [*events, fault(105.0)] if e.t < 108])
    found = check(story, "detect within auto")
    assert (found.outcome, found.seen) == ("inconclusive", "not seen")
    assert "watched for 3.000 s only" in found.why


def test_where_nothing_is_promised_auto_says_nothing_and_a_limit_does():
    spec = article(vrrp_instances=(instance(members=instance().members[:1]),))
    assert outcome(taken_over(3.0), "outage within auto", spec=spec) == "inconclusive"
    assert outcome(taken_over(3.0), "outage <= 4s", spec=spec) == "pass"


# --- what cannot be told ------------------------------------------------------------------


def broken(*more: Event, until: float = 120.0) -> Story:
    run, events = taken_over(6.0)
    return run, [*events, *more]


def test_a_recording_with_a_flaw_tells_nothing():
    run, events = taken_over(6.0)
    story = (replace(run, flaws=("the probe did not say that it had stopped",)), events)
    found = check(story, "outage within auto")
    assert (found.outcome, found.why) == (
        "inconclusive",
        "the probe did not say that it had stopped",
    )
    assert outcome(broken(event(110.0, "lvs1", "dropped", count=3)), "outage <= 4s") == (
        "inconclusive"
    )


def test_what_failed_before_the_fault_already_was_not_the_fault():
    run, events = taken_over(3.3)
    dark = [*served((104.5, 104.6), (105.0, 108.3))]
    story = (run, [*(e for e in events if e.kind != "probe.result"), *as_events(dark)])
    found = check(story, "outage within auto")
    assert found.outcome == "inconclusive"
    assert "failed before the fault already" in found.why


def stalled(seconds: float, lateness: float) -> Story:
    """As taken_over(), on a machine that once stood still for ``lateness`` seconds."""
    run, events = taken_over(seconds)
    t = 105.0 + seconds
    results = probe(
        lambda _s, at: not 105.0 <= at < t,
        count=1000,
        phase=100.0,
        servers=BY_ADDRESS,
        late=lambda seq: lateness if seq == 500 else 0.0,
    )
    return run, [*(e for e in events if e.kind != "probe.result"), *as_events(results)]


def test_a_machine_that_stood_still_is_not_the_configuration():
    assert outcome(stalled(5.0, 0.2), "outage within auto") == "fail"
    found = check(stalled(5.0, 0.3), "outage within auto")
    assert found.outcome == "inconclusive"
    assert "the machine stalled: the probe's own schedule was up to 0.300 s late" in found.why
    assert outcome(stalled(5.0, 0.3), "detect within auto") == "inconclusive"
    # It kept what is promised all the same.
    assert outcome(stalled(3.3, 0.3), "outage within auto") == "pass"


def test_what_is_beyond_its_bound_by_less_than_the_machine_was_late_cannot_be_told():
    # 3.805 s, 0.25 s allowed for, and what a probe of 50 a second can resolve.
    assert outcome(stalled(4.2, 0.0), "outage within auto") == "fail"
    found = check(stalled(4.2, 0.2), "outage within auto")
    assert found.outcome == "inconclusive"
    assert "the probe's own schedule was up to 0.200 s late meanwhile" in found.why
    # A person's own figure is meant as it is written.
    assert outcome(stalled(4.2, 0.2), "outage <= 4.1s") == "fail"
    # A removal, of which 0.2 s are too long.
    run, events = removed(15.45)
    lost = [e for e in events if e.kind == "probe.result"]
    late = replace(lost[-1], data={**lost[-1].data, "start": lost[-1].data["due"] + 0.21})
    story = (run, [*(e for e in events if e is not lost[-1]), late])
    assert outcome((run, events), "rs_removed within auto") == "fail"
    assert outcome(story, "rs_removed within auto") == "inconclusive"


@pytest.mark.parametrize(
    "text",
    ["outage within auto", "detect <= 4s", "second_outage within auto", "new_holder == lvs2"],
)
def test_a_fault_that_was_not_injected_has_no_consequences(text: str):
    assert outcome(quiet(), text, injected=False) == "inconclusive"


def test_a_fault_whose_event_was_lost_is_not_counted_from_the_start_of_the_recording():
    run, events = taken_over(3.3)
    story = (run, [e for e in events if e.kind != "fault.injected"])
    found = check(story, "detect within auto")
    assert (found.outcome, found.why) == ("inconclusive", "the fault was not seen being injected")


# --- the way back -------------------------------------------------------------------------


def test_a_second_outage_against_the_bound_that_follows_from_how_long_it_was_down():
    # The link was away for 5 s: too short for a check to fail R + 1 times.
    found = check(there_and_back(), "second_outage within auto")
    assert (found.low, found.high) == (0.0, 0.0)
    assert found.outcome == "fail"
    assert found.measured == pytest.approx(4.9, abs=0.03)
    assert outcome(there_and_back(), "second_outage <= 5s") == "pass"
    assert outcome(there_and_back(), "second_outage <= 4.8s") == "fail"
    assert outcome(there_and_back(), "outage within auto") == "pass"


def test_a_fault_that_was_left_has_no_way_back():
    assert outcome(failover(), "second_outage within auto") == "inconclusive"


# --- real servers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(8.7, "fail"), (8.8, "pass"), (15.2, "pass"), (15.3, "fail")],
)
def test_a_removal_against_the_bound_of_the_checks(seconds: float, wanted: str):
    # D 6, R 3, B 3, refused at once: 9 to 15 s.
    found = check(removed(seconds), "rs_removed within auto")
    assert (found.low, found.high) == (9.0, 15.0)
    assert found.outcome == wanted
    assert outcome(removed(seconds), "rs_removed <= 15.25s") == (
        "pass" if seconds < 15.25 else "fail"
    )


def test_every_director_has_to_remove_it():
    found = check(removed(10.0, by=["lvs1"]), "rs_removed within auto")
    assert (found.outcome, found.why) == ("fail", "never removed by lvs2")
    assert found.seen == "removed by lvs1 after 10.000 s"
    nobody = check(removed(10.0, by=[]), "rs_removed <= 15s")
    assert (nobody.seen, nobody.why) == ("removed by nobody", "never removed by lvs1 and lvs2")


def test_a_removal_that_was_not_awaited_cannot_be_told():
    found = check(removed(10.0, by=[], until=113.0), "rs_removed within auto")
    assert found.outcome == "inconclusive"
    assert "watched for 10.000 s only" in found.why


@pytest.mark.parametrize(("seconds", "wanted"), [(5.7, "fail"), (6.5, "pass"), (15.3, "fail")])
def test_a_return_against_the_bound_of_the_checks(seconds: float, wanted: str):
    # HTTP_GET wants two good answers, D = 6 s apart; the first comes within D + P = 9 s.
    assert outcome(put_back(seconds), "rs_back within auto") == wanted


def test_every_director_has_to_put_it_back():
    found = check(put_back(8.0, by=["lvs2"]), "rs_back within auto")
    assert (found.outcome, found.why) == ("fail", "never put back by lvs1")
    assert outcome(removed(10.0), "rs_back within auto") == "inconclusive"


def test_what_lost_events_would_have_told_is_not_held_against_it():
    run, events = removed(10.0, by=["lvs1"])
    story = (run, [*events, event(104.0, "lvs2", "dropped", count=1)])
    found = check(story, "rs_removed within auto")
    assert found.outcome == "inconclusive"
    assert "never removed by lvs2; but lvs2 could not deliver 1 events" in found.why


def test_without_a_check_a_return_has_no_bound():
    spec = article(virtual_servers=(virtual_server(members=pool(check=None)),))
    assert outcome(put_back(8.0), "rs_back within auto", spec=spec) == "inconclusive"
    assert outcome(put_back(8.0), "rs_back <= 9s", spec=spec) == "pass"


# --- several faults -----------------------------------------------------------------------


def two_faults() -> tuple[Story, FaultRun]:
    """A takeover as above, healed at 110.0; at 115.0 keepalived of lvs2 stops, for 0.8 s."""
    run, events = there_and_back()
    second = replace(
        run, node="lvs1", fault="keepalived-stop", fault_id="f2", promise=None, promise_back=None
    )
    results = served((105.0, 108.406), (115.0, 115.8))
    more = [
        event(115.0, "lvs1", "fault.injected", fault="keepalived-stop", id="f2"),
        vip(115.8, "lvs2", added=True),
    ]
    kept = [e for e in events if e.kind != "probe.result" and e.t < 115.0]
    story = (replace(run, recorded_until=120.0), [*kept, *more, *as_events(results)])
    return story, FaultRun("second", second, HELD)


STEPS = (step("link-down"), step("keepalived-stop", name="second"))


def test_each_of_two_faults_is_judged_by_its_own_time_and_bound():
    story, second = two_faults()

    def of(text: str) -> tuple[str, float | None]:
        found = check(story, text, steps=STEPS, more=[second])
        return found.outcome, found.measured and round(found.measured, 1)

    assert of("outage within auto") == ("pass", 3.4)
    assert of("outage of link-down within auto") == ("pass", 3.4)
    assert of("outage of second within auto") == ("pass", 0.8)
    assert of("detect of second within auto") == ("pass", 0.8)
    assert of("outage of second <= 500ms") == ("fail", 0.8)


def test_results_that_are_missing_after_a_second_fault_are_missed():
    (run, events), second = two_faults()
    cut = [e for e in events if e.kind != "probe.result" or not 116.0 < e.data["due"] < 116.5]
    found = check((run, cut), "outage of second within auto", steps=STEPS, more=[second])
    assert found.outcome == "inconclusive"
    assert "are missing" in found.why


def test_a_fault_of_every_real_server_is_found_by_its_own_name():
    steps = [step("httpd-stop", "every_real_server")]
    run, events = removed(10.0)
    named = FaultRun("httpd-stop-rs1", run, HELD)
    for text in ("rs_removed within auto", "rs_removed of httpd-stop within auto",
                 "rs_removed of httpd-stop-rs1 within auto"):  # fmt: skip
        found = check((run, events), text, steps=steps, more=[named], injected=False)
        assert found.outcome == "pass", text
