"""What became of the requests: counts, shares, and whether any had to wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from lvslab.timeline.events import ProbeResult

from ..plan.specs import RS1, RS2, article, pool, virtual_server
from ..timeline.handmade import as_events, event, probe
from ..timeline.stories import BY_ADDRESS, INITIAL, RUN, fault, served
from .played import Story, check, outcome, outcomes

RS = {"rs1": str(RS1), "rs2": str(RS2)}


def asked(results: list[ProbeResult], *, at: float | None = 105.0) -> Story:
    """These results, around a fault that moves nothing."""
    return RUN, [*INITIAL, *([fault(at)] if at else []), *as_events(results)]


def failing(*seqs: int) -> Story:
    results = probe(lambda s, _t: s not in seqs, count=1000, phase=100.0, servers=BY_ADDRESS)
    return asked(results)


# --- failed_requests: from 105.0 on there are 750 requests, seq 250 to 999 -----------------


def test_failed_requests_are_counted_in_their_window():
    table = {
        "failed_requests == 3": "pass",
        "failed_requests <= 3": "pass",
        "failed_requests <= 2": "fail",
        "failed_requests < 3": "fail",
        "failed_requests > 2": "pass",
        "failed_requests >= 4": "fail",
        "failed_requests != 0": "pass",
        "failed_requests <= 0.4%": "pass",
        "failed_requests <= 0.39%": "fail",
        # seq 300 is due at 106.0, 400 at 108.0: one, two and three seconds after the fault.
        "failed_requests == 1 from 0s to 2s": "pass",
        "failed_requests == 2 from 2s": "pass",
        "failed_requests == 0 from 3.02s": "pass",
        "failed_requests == 1 from 3s to 3.02s": "pass",
        "failed_requests == 1 from 3.5s": "fail",
    }
    # seq 10 is due long before the fault.
    assert outcomes(failing(10, 300, 350, 400), table) == table


def test_failed_requests_are_told_by_kind():
    found = check(failing(300, 400), "failed_requests == 0")
    assert (found.seen, found.wanted) == ("2 of 750 (2 timeout)", "0")
    assert found.measured == 2.0
    share = check(failing(300, 400, 500), "failed_requests <= 5%")
    assert (share.measured, share.unit, share.wanted) == (0.4, "%", "at most 5%")


def test_where_nobody_asked_nothing_is_told():
    assert outcome(failing(), "failed_requests == 0 from 30s") == "inconclusive"
    assert outcome(failing(), "no_outage from 30s") == "inconclusive"
    assert outcome(failing(), "share_of rs1 == 50% from 30s") == "inconclusive"


@pytest.mark.parametrize(
    "text", ["failed_requests == 0", "no_outage", "share_of rs1 within auto", "failed_requests > 0"]
)
def test_missing_results_are_no_good_results(text: str):
    run, events = failing()
    cut = [e for e in events if e.kind != "probe.result" or not 400 < e.data["seq"] < 405]
    found = check((run, cut), text)
    assert found.outcome == "inconclusive"
    assert found.why == "results of the probe are missing in that time"
    # Those before the fault are not asked about.
    early = [e for e in events if e.kind != "probe.result" or not 40 < e.data["seq"] < 45]
    assert outcome((run, early), text) == ("fail" if ">" in text else "pass")


def test_a_flawed_recording_counts_nothing():
    run, events = failing()
    told = check((replace(run, flaws=("it was cut",)), events), "failed_requests == 0")
    assert (told.outcome, told.why) == ("inconclusive", "it was cut")


def test_without_a_fault_the_window_begins_at_the_schedules_zero():
    # History.zero is 102.0 here: seq 100.
    results = probe(lambda s, _t: s not in (99, 100), count=1000, phase=100.0, servers=BY_ADDRESS)
    story = asked(results, at=None)
    more = {"injected": False, "steps": ()}
    assert outcome(story, "failed_requests == 1", **more) == "pass"
    assert outcome(story, "failed_requests == 0 from 1s", **more) == "pass"


# --- share_of ----------------------------------------------------------------------------


def shared(choose: Callable[[int], str], count: int = 1000) -> Story:
    """Requests of which each is answered by whom ``choose`` says."""
    results = probe(lambda _s, _t: True, count=count, phase=100.0, servers=BY_ADDRESS)
    return asked([replace(r, server=RS[choose(r.seq)]) for r in results])


#: Of the 750 requests after the fault rs1 gives every third: 250.
THIRD = shared(lambda seq: "rs1" if seq % 3 == 0 else "rs2")
HALF = shared(lambda seq: "rs1" if seq % 2 else "rs2")


def test_a_share_is_of_the_good_answers():
    table = {
        "share_of rs1 within 30%..35%": "pass",
        "share_of rs1 within 33.4%..40%": "pass",  # one request is 0.13 %
        "share_of rs1 within 34%..40%": "fail",
        "share_of rs2 within 60%..66%": "fail",
        "share_of rs1 == 33.3%": "pass",
        "share_of rs1 == 34%": "fail",
        "share_of rs1 <= 33%": "fail",
        "share_of rs1 >= 33%": "pass",
        "share_of rs1 < 40%": "pass",
        "share_of rs1 > 40%": "fail",
        "share_of rs1 == 0%": "fail",
    }
    assert outcomes(THIRD, table) == table


def test_rr_shares_evenly_and_weights_mean_nothing_to_it():
    weighted = tuple(replace(m, weight=w) for m, w in zip(pool(), (1, 2), strict=True))
    rr = article(virtual_servers=(virtual_server(scheduler="rr", members=weighted),))
    wrr = article(virtual_servers=(virtual_server(scheduler="wrr", members=weighted),))
    assert outcome(HALF, "share_of rs1 within auto", spec=rr) == "pass"
    assert outcome(HALF, "share_of rs1 within auto", spec=wrr) == "fail"
    assert outcome(THIRD, "share_of rs1 within auto", spec=wrr) == "pass"
    assert outcome(THIRD, "share_of rs2 == auto", spec=wrr) == "pass"
    assert outcome(THIRD, "share_of rs1 within auto", spec=rr) == "fail"


def test_a_share_is_promised_of_what_was_probed():
    drained = tuple(replace(m, weight=0 if m.server == "rs1" else 1) for m in pool())
    udp = virtual_server(port=514, protocol="UDP", members=drained)
    spec = article(virtual_servers=(virtual_server(), udp))
    assert outcome(HALF, "share_of rs1 within auto", spec=spec) == "pass"
    run, events = HALF
    both = replace(run, targets={vs.key: 2 for vs in spec.virtual_servers})
    assert check((both, events), "share_of rs1 within auto", spec=spec).wanted.startswith("25.0%")


@pytest.mark.parametrize("scheduler", ["rr", "wrr"])
def test_a_weight_of_nothing_gets_nothing(scheduler: str):
    members = (replace(pool()[0], weight=0), pool()[1])
    spec = article(virtual_servers=(virtual_server(scheduler=scheduler, members=members),))
    alone = shared(lambda _seq: "rs2")
    assert outcome(alone, "share_of rs1 within auto", spec=spec) == "pass"
    assert outcome(alone, "share_of rs2 within auto", spec=spec) == "pass"
    assert outcome(alone, "share_of rs1 == 0%", spec=spec) == "pass"
    assert outcome(HALF, "share_of rs1 within auto", spec=spec) == "fail"
    # One request to a drained server is one too many, where a person says none.
    once = shared(lambda seq: "rs1" if seq == 600 else "rs2")
    assert outcome(once, "share_of rs1 == 0%", spec=spec) == "fail"


def test_a_share_counts_from_where_one_says():
    turned = shared(lambda seq: "rs1" if seq < 500 else "rs2")  # 110.0: 5 s after the fault
    assert outcome(turned, "share_of rs1 == 100% from 0s to 5s") == "pass"
    assert outcome(turned, "share_of rs1 == 0% from 5s") == "pass"
    assert check(turned, "share_of rs1 == 0% from 5s").seen == "0.0% (0 of 500)"


# --- no_outage ---------------------------------------------------------------------------


def test_all_answered_in_time_is_no_outage():
    found = check(failing(), "no_outage")
    assert (found.outcome, found.measured) == ("pass", 0.0)


def test_one_failed_request_is_an_outage():
    found = check(failing(600), "no_outage")
    assert found.outcome == "fail"
    assert found.seen.startswith("1 of 750 failed, longest outage ")
    assert outcome(failing(600), "no_outage from 0s to 6s") == "pass"
    # Before the fault it is not asked about.
    assert outcome(failing(100), "no_outage") == "pass"


def test_an_outage_that_is_not_over_has_no_length():
    found = check(asked(served((112.0, 130.0))), "no_outage")
    assert found.outcome == "fail"
    assert "not over at the end" in found.seen


def sent_again(lateness: float) -> Story:
    """Packets of 0.2 s are lost and sent again, while the probe is this late; nothing fails."""
    results = []
    for r in served():
        lost = 500 <= r.seq < 510
        late = lateness if lost else 0.0
        end = max(r.end + late, 110.2) if lost else r.end
        results.append(replace(r, start=r.start + late, end=end))
    return asked(results)


def test_a_packet_that_was_sent_again_is_an_outage_though_nothing_failed():
    found = check(sent_again(0.0), "no_outage")
    assert (found.outcome, found.seen) == ("fail", "0 of 750 failed, longest outage 0.199 s")


def test_a_silence_of_a_machine_that_slept_is_none():
    # Nothing began in these 0.2 s: it is the probe that was not there.
    assert outcome(sent_again(0.19), "no_outage") == "pass"


# --- log ---------------------------------------------------------------------------------


def said(*lines: tuple[float, str, str]) -> Story:
    run, events = failing()
    return run, [*events, *(event(t, node, "log", text=text) for t, node, text in lines)]


LINES = said(
    (104.0, "lvs1", "Ready"),
    (106.0, "lvs2", "received an invalid passwd!"),
    (107.0, "rs1", "resuming normal operations"),
)


def test_a_line_of_a_log_after_the_fault():
    table = {
        'log contains "invalid passwd"': "pass",
        'log of lvs2 contains "invalid passwd"': "pass",
        'log of lvs1 contains "invalid passwd"': "fail",
        'log of rs1 contains "normal"': "pass",
        "log of lvs1 contains Ready": "fail",  # before the fault
        'log contains "passwd" from 2s': "fail",
        'log contains "passwd" from 0s to 2s': "pass",
        'log contains "PASSWD"': "fail",
    }
    assert outcomes(LINES, table) == table


def test_a_line_is_told_with_its_time_and_node():
    found = check(LINES, "log contains passwd")
    assert found.seen == "+1.000 s lvs2: received an invalid passwd!"
    assert check(LINES, "log of lvs2 contains nothing").seen == "1 lines of lvs2 without it"
