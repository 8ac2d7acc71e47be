"""A whole measured fault with real keepalived and real agents, but for Docker and ip_vs.

The directors answer requests to the VIP themselves, so there is no table to be filled, and no
second outage on the way back.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

import pytest

from lvslab.errors import AgentError
from lvslab.faults.model import Operation
from lvslab.observe.link import Subscription
from lvslab.observe.session import run_fault
from lvslab.report.terminal import closing, line
from lvslab.timeline.holders import contested
from lvslab.timeline.result import FaultResult, analyse
from lvslab.topology.spec import (
    ClientSpec,
    DirectorSpec,
    NetworkSpec,
    TopologySpec,
    VirtualServerSpec,
    VrrpInstanceSpec,
    VrrpMember,
)

from .rig import VIP, Node, pair, rig

LVS1, LVS2 = IPv4Address("172.20.1.1"), IPv4Address("172.20.1.2")
SPEC = TopologySpec(
    name="rig",
    debian="bookworm",
    network=NetworkSpec("rig", IPv4Network("172.20.0.0/16"), IPv4Address("172.20.0.254")),
    directors=(DirectorSpec("lvs1", LVS1, "lvs1"), DirectorSpec("lvs2", LVS2, "lvs2")),
    real_servers=(),
    clients=(ClientSpec("client", IPv4Address("172.20.1.20")),),
    vrrp_instances=(
        VrrpInstanceSpec(
            name="VI_1",
            vrid=51,
            version=2,
            advert_int=1.0,
            vips=(IPv4Interface(f"{VIP}/32"),),
            members=(
                VrrpMember("lvs1", LVS1, 100, "MASTER", nopreempt=False, preempt_delay=None),
                VrrpMember("lvs2", LVS2, 50, "BACKUP", nopreempt=False, preempt_delay=None),
            ),
            unicast=False,
        ),
    ),
    virtual_servers=(
        VirtualServerSpec(
            vip=IPv4Address(VIP),
            port=80,
            protocol="TCP",
            scheduler="rr",
            scheduler_flags=(),
            forwarding="DR",
            delay_loop=6.0,
            persistence_timeout=None,
            persistence_granularity=None,
            quorum=1,
            hysteresis=0,
            alpha=False,
            omega=False,
            ops=False,
            members=(),
        ),
    ),
)


class RigLink:
    """What a session needs of a link, over the rig's pipe."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._listening: dict[int, tuple[threading.Thread, threading.Event]] = {}

    def request(self, do: str, *, timeout: float = 10.0, **params: Any) -> dict[str, Any]:
        reply = self._node.ask(do, patience=timeout, **params)
        if not reply["ok"]:
            raise AgentError(reply["error"], where=self._node.name, fix=reply.get("fix"))
        result: dict[str, Any] = reply["result"]
        return result

    def _listen(self, subscription: Subscription) -> None:
        stop = threading.Event()
        thread = threading.Thread(target=self._feed, args=(subscription, stop), daemon=True)
        self._listening[id(subscription)] = (thread, stop)
        thread.start()

    def _unlisten(self, subscription: Subscription) -> None:
        thread, stop = self._listening.pop(id(subscription))
        stop.set()
        thread.join()

    def _feed(self, subscription: Subscription, stop: threading.Event) -> None:
        lines, changed = self._node.lines, self._node._changed
        position = self._node.mark()
        while not stop.is_set():
            with changed:
                changed.wait_for(lambda start=position: len(lines) > start, 0.2)  # type: ignore[misc]
            new = lines[position:]
            position += len(new)
            for told in new:
                if "ev" in told:
                    subscription.put(told)


class RigNode:
    def __init__(self, node: Node) -> None:
        self._link = RigLink(node)

    def link(self) -> RigLink:
        return self._link


class RigLab:
    spec = SPEC

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        self.nodes = {node.name: RigNode(node) for node in nodes}

    def start_node(self, name: str) -> None:
        raise AssertionError(f"{name} should be running")

    def beside(self, name: str, op: Operation) -> float:
        raise AssertionError(f"{op} lies outside {name}")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RigLab]:
    with rig(tmp_path_factory.mktemp("session")) as opened:
        yield RigLab(pair(opened))


def fail(lab: RigLab, node: str, fault: str) -> FaultResult:
    result = run_fault(lab, node, fault, then_heal=True)  # type: ignore[arg-type]
    for event in result.events:
        if text := line(event, result.fault_t):
            print(text)
    print("\n".join(closing(result)))
    # The way back ended with all as it was, and the recording alone says the same again.
    assert result.holds_now == {VIP: ("lvs1",)}
    assert analyse(result.run, result.events) == result
    assert sum(r.missing for r in result.readings) == 0
    return result


def test_link_down(lab: RigLab) -> None:
    result = fail(lab, "lvs1", "link-down")
    assert result.verdict.outcome == "within", result.verdict
    assert result.outage is not None
    split = result.decomposition
    assert split is not None
    marks = [p.until.rpartition(" ")[0] for p in split.parts]
    # keepalived adds the address and announces it within a millisecond or two; either may be
    # stamped first.
    assert marks[0] == "last advert of"
    assert "VIP on" in marks
    assert sum(p.seconds for p in split.parts) == pytest.approx(split.seconds)
    assert -1.05 <= split.parts[0].seconds <= 0


def test_keepalived_stop(lab: RigLab) -> None:
    result = fail(lab, "lvs1", "keepalived-stop")
    assert result.verdict.outcome == "within", result.verdict
    assert not contested([s for s in result.holders[VIP] if s.end < (result.heal_t or 0)])


def test_keepalived_crash(lab: RigLab) -> None:
    result = fail(lab, "lvs1", "keepalived-crash")
    assert result.verdict.outcome == "within", result.verdict
    assert result.verdict_takeover is not None
    assert result.verdict_takeover.outcome == "within", result.verdict_takeover
    assert contested(result.holders[VIP])


def test_a_fault_of_the_backup_is_not_noticed(lab: RigLab) -> None:
    result = fail(lab, "lvs2", "link-down")
    assert result.verdict.outcome == "within", result.verdict
    assert result.outage is None


def test_a_bound_that_is_too_tight_is_seen_to_be_broken(lab: RigLab) -> None:
    result = fail(lab, "lvs1", "keepalived-stop")
    assert result.run.promise is not None
    tight = replace(result.run, promise=replace(result.run.promise, lower=0.0, upper=0.1))
    assert analyse(tight, result.events).verdict.outcome == "outside"
