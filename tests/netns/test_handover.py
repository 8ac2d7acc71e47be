"""Real keepalived on both sides: who holds the VIP when, and is all as before after healing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from .rig import VIP, Line, Node, pair, rig

# domain.md, section 2, for priority 50 and advert_int 1.
SKEW = (256 - 50) / 256
CRASH = (2 + SKEW, 3 + SKEW)
GRACEFUL = (SKEW, SKEW)
#: What this machine's scheduling may add at the upper end; no clock of keepalived runs early.
SLACK = 1.5
EARLY = 0.02


class Pair(NamedTuple):
    lvs1: Node
    lvs2: Node
    client: Node


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with rig(tmp_path_factory.mktemp("pair")) as opened:
        yield Pair(*pair(opened))


@pytest.fixture
def nodes(started: Pair) -> Iterator[Pair]:
    """Give the pair; lvs1 alone has the VIP again for the next test, whatever this one did."""
    yield started
    started.lvs1.do("heal")
    deadline = time.monotonic() + 30
    while [node.do("status")["holds"] for node in started[:2]] != [[VIP], []]:
        assert time.monotonic() < deadline, "lvs1 does not take the VIP back"
        time.sleep(0.1)


class Run(NamedTuple):
    injected: Line
    mark1: int
    mark2: int
    mark3: int
    master: Line


def op(name: str, /, **parameters: Any) -> Line:
    return {"op": name} | parameters


def crossing(nodes: Pair, fault: str, ops: list[Line], heal: list[Line]) -> Run:
    """Inject on lvs1, wait until lvs2 is MASTER. The client knew lvs1 by then."""
    asked = nodes.client.do("request", vip=VIP, port=80, path="/")["results"]
    assert asked[0]["server"] == nodes.lvs1.address
    mark1, mark2, mark3 = nodes.lvs1.mark(), nodes.lvs2.mark(), nodes.client.mark()
    times = nodes.lvs1.do("inject", fault=fault, fault_id=fault, ops=ops, heal=heal)
    injected = nodes.lvs1.event("fault.injected", since=mark1, id=fault)
    assert injected["t"] == times["t"] <= injected["t_end"]
    master = nodes.lvs2.event("vrrp.state", since=mark2, state="MASTER")
    return Run(injected, mark1, mark2, mark3, master)


def check_takeover(nodes: Pair, run: Run, bound: tuple[float, float]) -> None:
    taken = run.master["t"] - run.injected["t"]
    assert bound[0] - EARLY <= taken <= bound[1] + SLACK
    added = nodes.lvs2.event("addr.add", since=run.mark2, vip=True)
    garp = nodes.lvs2.event("arp.gratuitous", since=run.mark2, dir="out", address=VIP)
    assert added["address"] == f"{VIP}/32"
    assert added["t"] <= garp["t"]
    assert garp["mac"] == nodes.lvs2.do("status")["links"]["eth0"]["mac"]
    assert nodes.lvs2.do("status")["holds"] == [VIP]
    nodes.client.event("neigh", since=run.mark3, address=VIP, mac=garp["mac"])
    asked = nodes.client.do("request", vip=VIP, port=80, path="/")["results"]
    assert asked[0]["server"] == nodes.lvs2.address


def check_back(nodes: Pair, fault: str, before: Line, *, elected: bool = True) -> None:
    """Heal, wait until lvs1 is MASTER again, compare the state with that before."""
    mark1, mark2 = nodes.lvs1.mark(), nodes.lvs2.mark()
    assert nodes.lvs1.do("heal")["healed"] == [fault]
    healed = nodes.lvs1.event("fault.healed", since=mark1, id=fault)
    assert healed["left"] == []
    nodes.lvs2.event("vrrp.state", since=mark2, state="BACKUP")
    if elected:
        nodes.lvs1.event("vrrp.state", since=mark1, state="MASTER")
    assert nodes.lvs1.do("state") == before
    assert nodes.lvs1.do("journal")["entries"] == []
    assert nodes.lvs1.do("heal")["healed"] == []


def test_link_down(nodes: Pair) -> None:
    nodes.lvs1.ip("route", "add", "10.9.0.0/16", "via", "172.20.0.254", "metric", "7")
    nodes.lvs1.ip("route", "add", "10.8.0.0/16", "dev", "eth0", "table", "77")
    mac = "02:00:00:00:00:09"
    nodes.lvs1.ip("neigh", "add", "172.20.9.9", "lladdr", mac, "dev", "eth0", "nud", "permanent")
    before = nodes.lvs1.do("state")
    run = crossing(
        nodes,
        "link-down",
        [op("link", dev="eth0", up=False)],
        [op("link", dev="eth0", up=True), op("restore")],
    )
    check_takeover(nodes, run, CRASH)
    down = nodes.lvs1.event("link", since=run.mark1, interface="eth0", up=False)
    gone = nodes.lvs1.event("addr.del", since=run.mark1, vip=True)
    fault = nodes.lvs1.event("vrrp.state", since=run.mark1, state="FAULT")
    assert run.injected["t"] <= down["t"] <= gone["t"] <= run.master["t"]
    assert fault["t"] <= run.master["t"]
    during = nodes.lvs1.do("state")
    assert not any(route.startswith(("default via", "10.")) for route in during["routes"])
    assert during["neighbours"] == []
    check_back(nodes, "link-down", before)


def test_stop_says_priority_0(nodes: Pair) -> None:
    before = nodes.lvs1.do("state")
    run = crossing(
        nodes,
        "keepalived-stop",
        [op("service-stop", name="keepalived")],
        [op("service-start", name="keepalived")],
    )
    check_takeover(nodes, run, GRACEFUL)
    out = nodes.lvs1.event("vrrp.advert", since=run.mark1, dir="out")
    into = nodes.lvs2.event("vrrp.advert", since=run.mark2, dir="in")
    for advert in (out, into):
        assert advert.items() >= {"priority": 0, "vrid": 51, "src": "172.20.1.1"}.items()
    assert run.injected["t"] <= out["t"] <= run.master["t"]
    assert into["t"] + SKEW - EARLY <= run.master["t"]
    exited = nodes.lvs1.event("service.exited", since=run.mark1, service="keepalived")
    assert exited["status"] == 0
    assert exited["t"] <= run.injected["t_end"]
    assert nodes.lvs1.do("status")["services"]["keepalived"]["running"] is False
    # Processes are started anew, so they differ in nothing that counts: argv.
    check_back(nodes, "keepalived-stop", before)


def test_kill_of_the_parent_is_graceful(nodes: Pair) -> None:
    before = nodes.lvs1.do("state")
    run = crossing(
        nodes,
        "keepalived-kill",
        [op("kill", name="keepalived", signal="KILL", who="parent")],
        [op("service-start", name="keepalived")],
    )
    check_takeover(nodes, run, GRACEFUL)
    exited = nodes.lvs1.event("service.exited", since=run.mark1, service="keepalived")
    assert exited["status"] == -9
    nodes.lvs1.event("addr.del", since=run.mark1, vip=True)
    check_back(nodes, "keepalived-kill", before)


def test_crash_leaves_two_holders(nodes: Pair) -> None:
    before = nodes.lvs1.do("state")
    run = crossing(
        nodes,
        "keepalived-crash",
        [op("kill", name="keepalived", who="all-no-cleanup")],
        [op("service-start", name="keepalived")],
    )
    check_takeover(nodes, run, CRASH)
    status = nodes.lvs1.do("status")
    assert status["holds"] == [VIP]
    assert status["vrrp"]["VI_1"]["state"] == "GONE"
    assert nodes.lvs1.events("addr.del", run.mark1) == []
    assert nodes.lvs1.events("vrrp.advert", run.mark1) == []
    check_back(nodes, "keepalived-crash", before)


def test_freeze_leaves_two_holders(nodes: Pair) -> None:
    before = nodes.lvs1.do("state")
    run = crossing(nodes, "freeze", [op("freeze")], [op("thaw")])
    check_takeover(nodes, run, CRASH)
    status = nodes.lvs1.do("status")
    assert status["holds"] == [VIP]
    assert status["services"]["keepalived"]["running"] is True
    # Thawed, lvs1 still is the MASTER that it was: no transition, lvs2 gives way.
    check_back(nodes, "freeze", before, elected=False)


def test_every_advert_while_watching(nodes: Pair) -> None:
    mark = nodes.lvs2.mark()
    nodes.lvs2.do("watch", seconds=30)
    advert = nodes.lvs2.event("vrrp.advert", since=mark, dir="in")
    assert advert.items() >= {"priority": 100, "version": 2}.items()
    nodes.lvs2.do("watch", seconds=0)


def test_a_fault_that_fails_is_undone(nodes: Pair) -> None:
    before = nodes.lvs1.do("state")
    reply = nodes.lvs1.ask(
        "inject",
        fault="half",
        fault_id="half",
        ops=[
            op("run", argv=["ip", "route", "add", "10.7.0.0/16", "dev", "lo"]),
            op("run", argv=["false"]),
        ],
        heal=[op("run", argv=["ip", "route", "del", "10.7.0.0/16", "dev", "lo"])],
    )
    assert reply["ok"] is False
    assert "false" in reply["error"]
    assert nodes.lvs1.do("journal")["entries"] == []
    assert nodes.lvs1.do("state") == before


def test_sigterm_hands_over(tmp_path: Path) -> None:
    with rig(tmp_path) as opened:
        lvs1, lvs2, _ = pair(opened)
        mark = lvs2.mark()
        lvs1.terminate()
        assert lvs1.ended() == 0
        into = lvs2.event("vrrp.advert", since=mark, dir="in")
        assert into["priority"] == 0
        assert lvs1.event("service.exited", service="keepalived")["status"] == 0
