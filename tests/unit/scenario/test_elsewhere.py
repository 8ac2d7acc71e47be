"""Scenarios on a topology of somebody's own: which apply, for how long, and who ends up with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lvslab import topology
from lvslab.scenario import elsewhere, library
from lvslab.scenario.load import load, name_and_tags
from lvslab.timeline import bounds
from lvslab.timeline.run import ALLOWANCE
from lvslab.topology.spec import TopologySpec

SHIPPED = library.shipped()
ANYWHERE = {n for n, path in SHIPPED.items() if elsewhere.ANYWHERE in name_and_tags(path)[1]}
#: What a user's own may look like: other names, another subnet, slow timers, nopreempt.
OWN = """\
network: {subnet: 10.1.0.0/24}
directors: {alpha: {priority: 200}, beta: {priority: 150}}
real_servers: [web1, web2]
clients: [c1]
vrrp: {advert_int: 5, preempt: false}
vrrp_instances:
  main: {vips: 10.1.0.100}
virtual_servers:
  - {port: 8080, check: {type: TCP_CHECK, connect_timeout: 2, retry: 1, delay_before_retry: 1}}
"""


def own(tmp_path: Path, text: str = OWN) -> TopologySpec:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    return topology.load(path)


def test_enough_hold_anywhere_and_none_of_them_changes_the_topology():
    assert {"link-down", "power-off", "keepalived-stop", "httpd-stop", "server-silent"} <= ANYWHERE
    for name in ANYWHERE:
        # `with` would not be laid over somebody's own: what is under test is not rewritten.
        assert "\nwith:" not in SHIPPED[name].read_text(), name


@pytest.mark.parametrize("name", topology.builtins())
def test_on_each_topology_that_ships_they_all_apply(name: str):
    spec = topology.load(topology.builtins()[name])
    other = "scheduler-wrr"
    found, left = elsewhere.fitting([SHIPPED[n] for n in (*sorted(ANYWHERE), other)], spec)
    assert {s.name for s in found} == ANYWHERE
    assert [one.name for one in left] == [other]


def test_a_fault_lasts_until_what_is_promised_must_have_happened(tmp_path: Path):
    spec = own(tmp_path)
    found, _ = elsewhere.fitting([SHIPPED["link-down"], SHIPPED["keepalived-stop"]], spec)
    bound = bounds.takeover(spec, "link-down", "alpha")
    assert bound is not None
    assert bound.high > 15
    link, stop = (s.steps[0].hold for s in found)
    assert link is not None
    assert link > bound.high + ALLOWANCE
    # One that is long enough already stays what it was.
    assert stop == load(SHIPPED["keepalived-stop"]).steps[0].hold
    # Two holders are a split after two advert intervals.
    (frozen,), _ = elsewhere.fitting([SHIPPED["freeze-director"]], spec)
    assert frozen.steps[0].hold is not None
    assert frozen.steps[0].hold > bound.high + 2 * spec.vrrp_instances[0].advert_int


def test_the_topology_is_that_which_was_given(tmp_path: Path):
    spec = own(tmp_path)
    found, left = elsewhere.fitting(SHIPPED.values(), spec)
    assert all(s.topology == spec for s in found)
    assert {s.name for s in found} | {one.name for one in left} == set(SHIPPED)


@pytest.mark.parametrize(
    ("change", "kept", "why"),
    [
        (("directors: {alpha: {priority: 200}, beta: {priority: 150}}", "directors: [alpha]"),
         {"httpd-stop", "server-silent"}, "there is no second director to take over"),
        (("check: {type: TCP_CHECK, connect_timeout: 2, retry: 1, delay_before_retry: 1}",
          "protocol: UDP, check: none"), ANYWHERE - {"httpd-stop", "server-silent"},
         "no check removes"),
        (("port: 8080, check: {type: TCP_CHECK", "port: 53, check: {type: DNS_CHECK"),
         ANYWHERE - {"httpd-stop"}, "fault 'httpd-stop'"),
        (("check: {type: TCP_CHECK, connect_timeout: 2, retry: 1, delay_before_retry: 1}",
          "check: none"), ANYWHERE - {"httpd-stop", "server-silent"}, "no check removes"),
    ],
)  # fmt: skip
def test_what_there_is_nothing_to_break_for_is_left_out_with_the_reason(
    tmp_path: Path, change: tuple[str, str], kept: set[str], why: str
):
    spec = own(tmp_path, OWN.replace(*change))
    found, left = elsewhere.fitting([SHIPPED[n] for n in sorted(ANYWHERE)], spec)
    assert {s.name for s in found} == kept
    assert {one.name for one in left} == ANYWHERE - kept
    # A real server without httpd has no httpd-stop, either: that is said where it is read.
    assert all(one.why.startswith((why, "fault 'httpd-stop'")) for one in left)


def test_without_a_virtual_server_there_is_nothing_to_ask(tmp_path: Path):
    spec = replace(own(tmp_path), virtual_servers=())
    found, left = elsewhere.fitting([SHIPPED["link-down"]], spec)
    assert (found, left[0].why) == ([], "there is no virtual server to ask")


def test_connections_that_last_want_a_virtual_server_over_http(tmp_path: Path):
    path = tmp_path / "lasting.yaml"
    text = SHIPPED["link-down"].read_text()
    path.write_text(f"{text}\nload: {{connections: kept}}\n")
    assert elsewhere.fitting([path], own(tmp_path))[1] == []
    udp = own(
        tmp_path, OWN.replace("check: {type: TCP_CHECK", "protocol: UDP, check: {type: UDP_CHECK")
    )
    (left,) = elsewhere.fitting([path], udp)[1]
    assert "no virtual server over HTTP, and kept connections are of no other" in left.why


def test_tags_choose_among_them(tmp_path: Path):
    found, left = elsewhere.fitting(SHIPPED.values(), own(tmp_path), tags=["article"])
    assert {s.name for s in found} == {
        "link-down", "keepalived-stop", "keepalived-kill", "httpd-stop"
    }  # fmt: skip
    assert all("article" in load(SHIPPED[one.name]).tags for one in left)
