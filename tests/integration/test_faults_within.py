"""The faults that lie inside the nodes: what each really does, and no trace of it afterwards.

One lab, played by one fault after the other; each leaves every node as it was.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lvslab.lab import Lab
from lvslab.timeline.result import removal_times

from .playing import failed, play
from .proofs import opened

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def lab(built: None) -> Iterator[Lab]:
    with opened("lvs-dr-fast", "fast") as made:
        yield made


def test_a_hung_web_server_is_removed_though_it_accepts(lab: Lab):
    seen = play(lab, "rs1", "httpd-hang")
    assert set(removal_times(seen.result)) == {"lvs1", "lvs2"}
    assert {e.data["result"] for e in failed(seen.answers())} == {"timeout"}
    assert not failed(seen.answers(after=3.0))


def test_a_slow_web_server_is_slow_and_stays(lab: Lab):
    seen = play(lab, "rs1", "httpd-slow", delay=0.3)
    assert not removal_times(seen.result)
    address = next(str(r.address) for r in lab.spec.real_servers if r.name == "rs1")
    slow = [e for e in seen.answers(after=1.5) if e.data["server"] == address]
    assert slow
    assert all(e.data["end"] - e.data["start"] >= 0.3 for e in slow)


def test_a_wrong_status_is_removed_without_a_wait(lab: Lab):
    seen = play(lab, "rs1", "httpd-status", status=503)
    assert set(removal_times(seen.result)) == {"lvs1", "lvs2"}
    kinds = [e.data["result"] for e in failed(seen.answers())]
    # Some wait for httpd to have read its file, and a graceful restart may drop one that it had.
    assert set(kinds) <= {"bad", "late", "reset"}
    assert kinds.count("bad") > 0.8 * len(kinds)
    assert not failed(seen.answers(after=3.0))


def test_a_flapping_web_server_goes_and_comes(lab: Lab):
    seen = play(lab, "rs1", "httpd-flap", hold=14.0, down=2.5, up=2.5)
    for state in ("DOWN", "UP"):
        assert len(seen.events("lvs.rs", "lvs1", state=state)) >= 2, state
    assert failed(seen.answers())


def test_a_drained_real_server_gets_nothing_and_nothing_fails(lab: Lab):
    seen = play(lab, "rs1", "drain")
    address = next(str(r.address) for r in lab.spec.real_servers if r.name == "rs1")
    for director in ("lvs1", "lvs2"):
        (change,) = seen.events("ipvs", director, server=address)
        assert (change.data["change"], change.data["weight"]) == ("weight", 0)
    assert not failed(seen.answers())
    assert address not in {e.data["server"] for e in seen.answers(after=2.0)}
    assert not removal_times(seen.result)


def test_a_reload_moves_nothing(lab: Lab):
    seen = play(lab, "lvs1", "reload")
    assert seen.holders() == [("lvs1",)]
    assert not failed(seen.answers())
    assert [e for e in seen.events("log", "lvs1") if "Reload" in e.data["text"]]


@pytest.mark.parametrize("child", ["vrrp", "checkers"])
def test_a_killed_child_is_started_again(lab: Lab, child: str):
    seen = play(lab, "lvs1", "keepalived-child-kill", child=child)
    assert not seen.events("service.exited", "lvs1")
    assert [e for e in seen.events("log", "lvs1") if "espawn" in e.data["text"]]


def test_a_real_server_without_the_vip_answers_checks_and_nobody_else(lab: Lab):
    seen = play(lab, "rs1", "rs-without-vip")
    assert not removal_times(seen.result)
    lost = failed(seen.answers())
    # Its kernel sends them back, to and fro, until their TTL is used up: an ICMP says so, rarely.
    assert {"timeout"} <= {e.data["result"] for e in lost} <= {"timeout", "unreachable", "late"}
    assert 0.4 <= len(lost) / len(seen.answers()) <= 0.6


def test_a_wrong_mask_on_lo_takes_it_away_from_everyone(lab: Lab):
    seen = play(lab, "rs1", "lo-mask")
    assert set(removal_times(seen.result)) == {"lvs1", "lvs2"}
    assert not failed(seen.answers(after=3.0))


def test_a_starved_director_loses_and_regains_the_vip(lab: Lab):
    seen = play(lab, "lvs1", "cpu-starve", hold=8.0, stalled=1.5, running=1.5)
    # Its kernel keeps the VIP all along.
    assert set(seen.holders()) == {("lvs1",), ("lvs1", "lvs2")}
    assert len([h for h in seen.holders() if h == ("lvs1", "lvs2")]) >= 2


@pytest.mark.parametrize("node", ["lvs1", "rs1"])
def test_a_node_that_reboots_is_back_by_itself(lab: Lab, node: str):
    seen = play(lab, node, "reboot", hold=20.0, down=4.0)
    assert seen.result.verdict.outcome == "within", seen.result.verdict
    down = seen.healed - seen.result.fault_t
    # Not healed when it was told to be, but when it booted.
    assert 4.0 <= down < 20.0
