"""Faults of the way between the nodes, and of one director's configuration."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lvslab.lab import Lab
from lvslab.timeline.events import Event
from lvslab.timeline.result import removal_times

from .playing import Seen, failed, play
from .proofs import in_node, mac_of, opened

pytestmark = pytest.mark.engine

BOTH = ("lvs1", "lvs2")


def late_adverts(seen: Seen) -> list[Event]:
    """Return the adverts that reached lvs2 once the filter was surely in: nft takes a while."""
    since = seen.result.fault_t + 2.5
    return [e for e in seen.events("vrrp.advert", "lvs2", dir="in") if e.t > since]


@pytest.fixture(scope="module")
def lab(built: None) -> Iterator[Lab]:
    with opened("lvs-dr-fast", "fast") as made:
        yield made


@pytest.fixture(scope="module")
def article(built: None) -> Iterator[Lab]:
    """VRRP version 2, with a password."""
    with opened("lvs-dr", "dr") as made:
        yield made


@pytest.mark.parametrize("how", ["wire", "filter"])
def test_both_directors_hold_the_vip_while_they_do_not_hear_each_other(lab: Lab, how: str):
    seen = play(lab, "lvs2", "partition", how=how, direction="in")
    assert seen.holders()[-1] == BOTH
    # tcpdump looks before the packet filter does.
    heard = late_adverts(seen)
    assert bool(heard) == (how == "filter")


def test_a_backup_that_nobody_hears_changes_nothing(lab: Lab):
    seen = play(lab, "lvs2", "partition", direction="out")
    assert seen.holders() == [("lvs1",)]
    # The end of a container keeps an emulated machine busy for a moment.
    assert not failed(seen.answers(after=2.0))


def test_a_real_server_that_nothing_reaches_is_removed(lab: Lab):
    seen = play(lab, "rs1", "partition", what="all")
    assert set(removal_times(seen.result)) == {"lvs1", "lvs2"}
    assert not failed(seen.answers(after=3.0))


def test_lost_adverts_make_the_backup_take_over_for_nothing(lab: Lab):
    seen = play(lab, "lvs1", "netem", hold=8.0, loss=100, only="vrrp")
    assert seen.holders()[-1] == BOTH
    assert not late_adverts(seen)


def test_what_a_real_server_sends_is_held_back(lab: Lab):
    seen = play(lab, "rs1", "netem", delay=100)
    address = next(str(r.address) for r in lab.spec.real_servers if r.name == "rs1")
    delayed = [e for e in seen.answers(after=1.5) if e.data["server"] == address]
    assert delayed
    # The handshake's answer and the page.
    assert all(e.data["end"] - e.data["start"] >= 0.2 for e in delayed)


def test_no_gratuitous_arp_leaves(lab: Lab):
    seen = play(lab, "lvs1", "garp-lost")
    assert seen.holders() == [("lvs1",)]
    assert not failed(seen.answers())


def test_keepalived_deals_with_a_vip_that_was_deleted(lab: Lab):
    seen = play(lab, "lvs1", "vip-steal")
    assert seen.events("addr.del", "lvs1", vip=True)


def test_a_third_speaker_gets_everything(lab: Lab):
    seen = play(lab, "rs1", "vip-steal")
    address = next(str(r.address) for r in lab.spec.real_servers if r.name == "rs1")
    assert {e.data["server"] for e in seen.answers(after=2.5)} == {address}
    assert seen.holders()[-1] == ("lvs1", "rs1")
    vip = str(lab.spec.vips[0])
    # The directors have said again who has it.
    assert mac_of(lab, "lvs1") in in_node(lab, "client", "ip", "neigh", "show", vip)


@pytest.mark.parametrize("what", ["vrid", "version", "unicast"])
def test_a_director_that_drifted_is_a_second_master(lab: Lab, what: str):
    seen = play(lab, "lvs2", "config-drift", hold=8.0, what=what)
    assert seen.holders()[-1] == BOTH


def test_another_list_of_vips_is_logged_and_no_more(lab: Lab):
    seen = play(lab, "lvs2", "config-drift", what="vips")
    assert seen.holders() == [("lvs1",)]
    assert [e for e in seen.events("log", "lvs2") if "expected 2 VIPs" in e.data["text"]]


def test_a_version_3_backup_adopts_the_interval(lab: Lab):
    seen = play(lab, "lvs2", "config-drift", what="advert_int")
    assert seen.holders() == [("lvs1",)]


@pytest.mark.parametrize("what", ["auth", "advert_int"])
def test_version_2_discards_what_differs(article: Lab, what: str):
    seen = play(article, "lvs2", "config-drift", hold=10.0, what=what)
    assert seen.holders()[-1] == BOTH


def test_a_lower_priority_hands_the_vip_over(lab: Lab):
    seen = play(lab, "lvs1", "priority-change")
    assert seen.holders()[-1] == ("lvs2",)
    assert not seen.events("vrrp.advert", "lvs1", dir="out", priority=0)


def test_a_script_that_fails_gives_the_vip_away(lab: Lab):
    seen = play(lab, "lvs1", "script-fail")
    assert seen.holders()[-1] == ("lvs2",)
    # keepalived still tells of itself: one that had learnt of script security would not.
    told = [e for e in seen.result.events if e.kind == "vrrp.state" and e.node == "lvs1"]
    assert (told[-1].data["state"], told[-1].t > seen.healed) == ("MASTER", True)
