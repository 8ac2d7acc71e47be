"""From checks to one verdict, and from verdicts to an exit code."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from lvslab.scenario.history import History
from lvslab.scenario.judge import EXIT, Verdict, judge, worst

from ..timeline.stories import there_and_back
from .played import played

PASSES, FAILS, CANNOT_TELL = (
    "holders == 1 from 4s to 5s",
    "failed_requests == 0",
    "no_outage from 9m",
)


def verdict(*texts: str, **changes: object) -> Verdict:
    return judge(played(there_and_back(), *texts, **changes)).verdict  # type: ignore[arg-type]


def test_one_that_fails_decides_and_one_that_cannot_tell_is_next():
    assert verdict(PASSES) == "pass"
    assert verdict(PASSES, CANNOT_TELL) == "inconclusive"
    assert verdict(PASSES, CANNOT_TELL, FAILS) == "fail"
    assert verdict(FAILS, PASSES) == "fail"


def test_a_run_that_did_not_end_whole_has_no_verdict_of_its_expectations():
    assert verdict(PASSES, ending="aborted", why="lvs1 died") == "aborted"
    assert verdict(FAILS, ending="unsteady", why="rs1 refuses") == "inconclusive"
    result = judge(played(there_and_back(), FAILS, ending="aborted", why="lvs1 died"))
    assert result.why == "lvs1 died"
    assert judge(played(there_and_back(), FAILS)).why == ""


@pytest.mark.parametrize(
    ("verdicts", "together", "code"),
    [
        ([], "pass", 0),
        (["pass", "pass"], "pass", 0),
        (["pass", "inconclusive"], "inconclusive", 2),
        (["inconclusive", "fail", "pass"], "fail", 1),
        (["fail", "aborted"], "aborted", 3),
    ],
)
def test_of_several_runs_the_worst_counts(verdicts: list[Verdict], together: Verdict, code: int):
    assert worst(verdicts) == together
    assert EXIT[together] == code


ALL = (
    "outage within auto", "detect within auto", "second_outage within auto",
    "new_holder == backup_director", "holders == 1 within auto", "failed_requests <= 50%",
    "share_of rs1 within auto from 0s to 1m", "no_outage", "no_split", "log contains x",
    "cause == vrid",
)  # fmt: skip


def test_the_verdict_is_the_same_whatever_the_order_of_the_events():
    history = played(there_and_back(), *ALL)

    def shuffled(seed: int) -> History:
        events = list(history.events)
        random.Random(seed).shuffle(events)
        return replace(history, events=tuple(events))

    first = judge(history)
    assert {c.outcome for c in first.checks} == {"pass", "fail"}
    for seed in range(3):
        other = judge(shuffled(seed))
        assert (other.verdict, other.checks) == (first.verdict, first.checks)
