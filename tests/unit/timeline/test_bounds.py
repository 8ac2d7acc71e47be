"""The protocol's bounds: the published numbers, and what must hold for any configuration."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvslab.timeline import bounds
from lvslab.timeline.bound import Bound
from lvslab.topology.spec import CheckSpec, SorryServer, VrrpInstanceSpec
from tests.unit.plan import specs

from .bounding import ARTICLE, ends, second, with_check


def test_the_articles_crash_is_2_805_to_3_805():
    (vi,) = ARTICLE.vrrp_instances
    master, backup = vi.members
    assert ends(bounds.failover_crash(vi, backup, master)) == (2.805, 3.805)
    assert bounds.failover_crash(vi, backup, master).formula == (
        "3 x 1 s + (256 - 50)/256 = 3.805 s, less up to one advert of 1 s"
    )


def test_the_articles_graceful_stop_is_0_805():
    (vi,) = ARTICLE.vrrp_instances
    assert ends(bounds.failover_graceful(vi, vi.members[1])) == (0.805, 0.805)


def test_vrrp_3_with_a_tenth_of_a_second():
    (vi,) = specs.fast().vrrp_instances
    master, backup = vi.members
    assert ends(bounds.failover_crash(vi, backup, master)) == (0.2805, 0.3805)
    assert ends(bounds.failover_graceful(vi, backup)) == (0.0805, 0.0805)


@pytest.mark.parametrize(
    ("fault", "low", "high"),
    [
        ("link-down", 2.805, 3.805),
        ("power-off", 2.805, 3.805),
        ("keepalived-stop", 0.805, 0.805),
        ("keepalived-kill", 0.805, 0.805),  # PR_SET_PDEATHSIG: the children stop gracefully
        ("keepalived-crash", 0, 0),
        ("freeze", 0, 0),
    ],
)
def test_outage_by_a_fault_of_the_holder(fault, low, high):
    assert (low, high) == ends(bounds.expected(ARTICLE, fault, "lvs1", "lvs1"))
    assert (low, high) == ends(bounds.expected(ARTICLE, fault, "lvs1"))
    assert ends(bounds.expected(ARTICLE, fault, "lvs2", "lvs1")) == (0, 0)


def test_a_crash_is_noticed_although_nothing_is_lost():
    assert ends(bounds.takeover(ARTICLE, "keepalived-crash", "lvs1")) == (2.805, 3.805)


def test_the_other_way_round_the_other_priority_counts():
    # lvs2 holds, lvs1 (priority 100) takes over: skew (256 - 100)/256.
    assert ends(bounds.expected(ARTICLE, "link-down", "lvs2", "lvs2")) == (2.609, 3.609)


def test_of_several_backups_the_highest_priority_counts():
    (vi,) = ARTICLE.vrrp_instances
    third = specs.member("lvs3", IPv4Address("172.20.1.3"), 75)
    spec = replace(ARTICLE, vrrp_instances=(replace(vi, members=(*vi.members, third)),))
    assert ends(bounds.expected(spec, "keepalived-stop", "lvs1")) == (0.707, 0.707)


def test_a_lone_director_has_no_heir():
    (vi,) = ARTICLE.vrrp_instances
    spec = replace(ARTICLE, vrrp_instances=(replace(vi, members=vi.members[:1]),))
    assert bounds.expected(spec, "link-down", "lvs1") is None


def test_active_active_by_vip():
    spec = specs.active_active()
    first, second = specs.VIP, IPv4Address("172.20.1.101")
    assert ends(bounds.expected(spec, "link-down", "lvs1", vip=first)) == (2.805, 3.805)
    assert ends(bounds.expected(spec, "link-down", "lvs1", vip=second)) == (0, 0)
    assert ends(bounds.expected(spec, "link-down", "lvs2", vip=second)) == (2.805, 3.805)


@pytest.mark.parametrize(
    ("fault", "low", "high"),
    [("httpd-stop", 9, 15), ("freeze", 21, 27), ("link-down", 9, 27), ("power-off", 9, 27)],
)
def test_a_share_fails_until_the_real_server_is_removed(fault, low, high):
    bound = bounds.expected(ARTICLE, fault, "rs1")
    assert (low, high) == ends(bound)
    assert bound is not None
    assert bound.name == "degraded"


def test_what_no_check_removes_is_not_bounded():
    assert bounds.expected(with_check(None), "httpd-stop", "rs1") is None
    tcp = with_check(CheckSpec("TCP_CHECK"))
    assert bounds.expected(tcp, "freeze", "rs1") is None
    assert ends(bounds.expected(tcp, "httpd-stop", "rs1")) == (9, 15)


def test_the_last_real_server_is_replaced_by_nothing_but_a_sorry_server():
    only = specs.pool()[:1]
    alone = specs.article(virtual_servers=(specs.virtual_server(members=only),))
    assert bounds.expected(alone, "httpd-stop", "rs1") is None
    sorry = specs.virtual_server(members=only, sorry_server=SorryServer("rs2", specs.RS2, 80))
    assert ends(bounds.expected(specs.article(virtual_servers=(sorry,)), "httpd-stop", "rs1")) == (
        9,
        15,
    )


def test_a_drained_real_server_is_not_missed():
    spec = specs.article(
        virtual_servers=(
            specs.virtual_server(members=(replace(specs.pool()[0], weight=0), specs.pool()[1])),
        )
    )
    assert ends(bounds.expected(spec, "httpd-stop", "rs1")) == (0, 0)


def test_unknown_faults_and_nodes_are_promised_nothing():
    assert bounds.expected(ARTICLE, "meteorite", "lvs1") is None
    assert bounds.expected(ARTICLE, "httpd-stop", "lvs1") is None
    assert bounds.expected(ARTICLE, "link-down", "nobody") is None
    assert bounds.expected(ARTICLE, "link-down", "client") is None


def test_the_second_outage_is_the_checks_less_the_take_back():
    # Two good answers (6 to 12 s) less the master-down timer of priority 100 (3.609 s).
    assert ends(second(ARTICLE)) == (2.391, 8.391)
    assert second(ARTICLE).explains(5.0)  # what was seen


def test_the_second_outage_needs_the_table_to_be_empty():
    assert ends(second(ARTICLE, down_for=8.9)) == (0, 0)
    assert ends(second(ARTICLE, down_for=10.0)) == (0, 8.391)
    assert ends(second(ARTICLE, down_for=15.0)) == (2.391, 8.391)
    assert ends(second(with_check(None))) == (0, 0)


@pytest.mark.parametrize(
    ("changes", "low", "high"),
    [
        ({"nopreempt": True}, 0, 0),
        ({"preempt_delay": 10.0}, 0, 0),
        ({"preempt_delay": 2.0}, 0, 12 - (2 + 3.609 - 1)),
    ],
)
def test_preempting_later_or_never_avoids_it(changes, low, high):
    (vi,) = ARTICLE.vrrp_instances
    members = (replace(vi.members[0], **changes), vi.members[1])
    spec = replace(ARTICLE, vrrp_instances=(replace(vi, members=members),))
    assert (low, high) == ends(second(spec))


def test_a_lower_priority_takes_nothing_back():
    (vi,) = ARTICLE.vrrp_instances
    assert ends(bounds.second_outage_after_link_return(ARTICLE, vi, "lvs2")) == (0, 0)


def test_resolution_is_the_callers():
    bound = Bound("outage", 1.0, 2.0, "", "")
    assert not bound.allows(2.01)
    assert bound.allows(2.01, resolution=0.02)
    assert bound.allows(0.5)
    assert not bound.explains(0.5)
    assert bound.explains(0.99, resolution=0.02)


priorities = st.integers(1, 254)
adverts = st.floats(0.01, 40.0)


def pair(version: Literal[2, 3], advert: float, priority: int) -> VrrpInstanceSpec:
    members = (specs.member("lvs1", specs.LVS1, 255), specs.member("lvs2", specs.LVS2, priority))
    return specs.instance(version=version, advert_int=advert, members=members)


@given(st.sampled_from([2, 3]), adverts, priorities)
def test_failover_is_ordered_and_a_goodbye_is_never_slower(version, advert, priority):
    vi = pair(version, advert, priority)
    crash = bounds.failover_crash(vi, vi.members[1], vi.members[0])
    goodbye = bounds.failover_graceful(vi, vi.members[1])
    assert 0 < goodbye.low <= goodbye.high < crash.low < crash.high


@given(st.sampled_from([2, 3]), adverts, priorities, priorities)
def test_a_higher_priority_and_a_shorter_advert_are_never_slower(version, advert, one, two):
    lower, higher = (pair(version, advert, p) for p in sorted((one, two)))
    master, _ = lower.members
    slow = bounds.failover_crash(lower, lower.members[1], master)
    fast = bounds.failover_crash(higher, higher.members[1], master)
    assert fast.high <= slow.high
    shorter = replace(lower, advert_int=advert / 2)
    assert bounds.failover_crash(shorter, lower.members[1], master).high < slow.high
