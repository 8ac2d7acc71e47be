"""Sentences that a scenario file cannot have, because nothing could ever come of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lvslab.scenario.expectations import all_expectations
from lvslab.scenario.language import SentenceError
from lvslab.scenario.spec import Step

from ..plan.specs import article, virtual_server
from .played import sentences, step

DIRECTOR = step("link-down", hold=5.0)
SERVER = step("httpd-stop", "any_real_server", hold=5.0)
BOTH = (DIRECTOR, SERVER)

SENSE = [
    "outage of httpd-stop <= 5s",
    "detect within auto",
    "detect of link-down <= 4s",
    "rs_removed of httpd-stop within auto",
    "rs_back of httpd-stop within 1s..9s",
    "second_outage of httpd-stop <= 1s",
    "new_holder == active_director",
    "holders == 1 within auto",
    "holders == 0 from 1s to 2s",
    "share_of rs2 == 0%",
    "log of client contains x",
    "cause == unicast",
]

NONSENSE: list[tuple[str, tuple[Step, ...], str]] = [
    ("outrage <= auto", BOTH, "nothing is known of 'outrage'"),
    ("outage", BOTH, "what outage should be is missing"),
    ("outage == 4s", BOTH, "outage cannot be '=='"),
    ("outage >= 4s", BOTH, "outage cannot be '>='"),
    ("outage <= 4", BOTH, "outage cannot be '4'"),
    ("outage <= 4%", BOTH, "outage cannot be '4%'"),
    ("outage <= lvs1", BOTH, "outage cannot be 'lvs1'"),
    ("outage <= 1s..4s", BOTH, "a range wants 'within'"),
    ("outage <= auto within 4s", BOTH, "outage takes no 'within' after its value"),
    ("outage <= auto from 4s", BOTH, "outage takes no 'from'"),
    ("outage of lvs1 <= auto", BOTH, "no fault is called 'lvs1'"),
    ("outage of httpd-stop-rs1 <= auto", BOTH, "no fault is called 'httpd-stop-rs1'"),
    ("outage <= auto", (), "outage is about a fault, and there is none"),
    ("detect within auto", (SERVER,), "detect is about a director"),
    ("detect of httpd-stop within auto", BOTH, "detect is about a director"),
    ("rs_removed within auto", BOTH, "rs_removed is about a real server"),
    ("rs_back of link-down <= 9s", BOTH, "rs_back is about a real server"),
    ("no_outage == 4s", BOTH, "no_outage cannot be '=='"),
    ("no_outage of lvs1", BOTH, "no_outage takes no name"),
    ("no_split from 5s", BOTH, "no_split takes no 'from'"),
    ("failed_requests <= 4s", BOTH, "failed_requests cannot be '4 s'"),
    ("failed_requests <= auto", BOTH, "failed_requests cannot be 'auto'"),
    ("holders == 1.5", BOTH, "write a whole number"),
    ("holders <= 1", BOTH, "holders cannot be '<='"),
    ("holders == 1 within auto", (), "counts from a director's fault"),
    ("holders == 1 within auto", (SERVER,), "counts from a director's fault"),
    ("new_holder == lvs9", BOTH, "no director is called 'lvs9'"),
    ("new_holder == rs1", BOTH, "no director is called 'rs1'"),
    ("new_holder == 4s", BOTH, "new_holder cannot be '4 s'"),
    ("share_of rs9 within auto", BOTH, "no real server is called 'rs9'"),
    ("share_of rs1 >= auto", BOTH, "no limit for '>='"),
    ("share_of rs1 within 50%", BOTH, "'within' wants a range"),
    ("share_of rs1 == 40%..60%", BOTH, "a range wants 'within'"),
    ("share_of rs1 within 1..2", BOTH, "share_of cannot be '1..2'"),
    ("log of lvs9 contains x", BOTH, "no node is called 'lvs9'"),
    ("log == x", BOTH, "log cannot be '=='"),
    ("cause == bad-luck", BOTH, "no cause is called 'bad-luck'"),
]


@pytest.mark.parametrize("text", SENSE)
def test_sense(text: str):
    (found,) = sentences([text], BOTH)
    assert found.text == text


@pytest.mark.parametrize(("text", "steps", "said"), NONSENSE)
def test_nonsense(text: str, steps: tuple[Step, ...], said: str):
    with pytest.raises(SentenceError) as caught:
        sentences([text], steps)
    assert said in caught.value.message


def test_what_was_meant_is_said():
    for text, hint in (("outrage <= auto", "did you mean 'outage'?"),
                       ("new_holder == actve_director", "did you mean 'active_director'?"),
                       ("cause == vrids", "did you mean 'vrid'?"),
                       ("outage == 4s", "it takes <= within"),
                       ("log == x", "it takes contains")):  # fmt: skip
        with pytest.raises(SentenceError) as caught:
            sentences([text], BOTH)
        assert caught.value.hint == hint


def test_a_share_is_promised_by_rr_and_wrr_alone():
    spec = article(virtual_servers=(virtual_server(scheduler="lc"),))
    with pytest.raises(SentenceError, match="the scheduler lc promises no share"):
        sentences(["share_of rs1 within auto"], spec=spec)
    assert sentences(["share_of rs1 within 1%..99%"], spec=spec)


def test_a_fault_of_several_nodes_has_a_name_for_each():
    steps = [replace(SERVER, target="every_real_server")]
    assert sentences(["rs_removed of httpd-stop-rs2 within auto"], steps)
    with pytest.raises(SentenceError, match="no fault is called 'httpd-stop-lvs1'"):
        sentences(["rs_removed of httpd-stop-lvs1 within auto"], steps)


def test_every_expectation_is_documented_for_a_reader():
    for one in all_expectations().values():
        assert one.summary
        assert one.bare != bool(one.operators)
