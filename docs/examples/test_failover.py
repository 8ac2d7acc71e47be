"""What the shop's load balancers have to stand: run with ``pytest`` in this folder.

The fixtures come with lvslab (docs/python.md); lvslab.yaml beside this file says what is tested.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lvslab import Lab, Scenario, Topology

HERE = Path(__file__).parent
#: Requests a second. As many as the machine that the tests run on can answer with ease: an
#: emulated one that is asked for more than it can do loses requests all by itself.
RATE = 20


def test_the_configuration_promises_what_we_sold(lvslab_topology: Topology) -> None:
    """No lab is needed for this one: it is arithmetic."""
    worst = max(p.bound.high for p in lvslab_topology.bounds("link-down"))
    assert worst < 4.0


def test_both_web_servers_get_their_share(lab_session: Lab) -> None:
    answers = lab_session.curl(20)
    assert not answers.failed
    assert answers.served_by == {"web1": 10, "web2": 10}


def test_a_lost_link_costs_less_than_four_seconds(lab: Lab) -> None:
    seen = lab.fail("active_director", "link-down", rate=RATE)
    assert seen.outage < 4.0
    assert seen.within, seen.reasons
    assert lab.holders() == {"172.29.1.100": ["lvs2"]}


def test_no_request_is_lost_on_a_planned_stop_of_the_backup(lab_session: Lab) -> None:
    seen = lab_session.fail("backup_director", "keepalived-stop", heal=True, rate=RATE)
    assert seen.failed == 0


def test_a_dead_web_server_is_taken_out_in_time(lab_session: Lab) -> None:
    seen = lab_session.fail("web1", "httpd-stop", heal=True, rate=RATE)
    assert seen.within, seen.reasons
    assert seen.degraded < 2.0


@pytest.mark.lvslab_topology(changes={"vrrp_instances": {"VI_SHOP": {"preempt": False}}})
def test_without_preemption_the_way_back_costs_nothing(lab: Lab) -> None:
    seen = lab.fail("lvs1", "link-down", hold="4s", rate=RATE)
    assert seen.second_outage == 0
    assert lab.holders() == {"172.29.1.100": ["lvs2"]}


def test_the_scenario_we_agreed_upon(lab_session: Lab) -> None:
    result = lab_session.play(Scenario.load(HERE / "short-link-loss.yaml"))
    assert result.passed, result.text()
