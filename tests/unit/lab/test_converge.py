"""What ``up`` does about a lab's networks, without an engine."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lvslab import topology
from lvslab.lab import converge, make
from lvslab.lab.inventory import FoundNetwork, Inventory
from lvslab.plan import Plan, make_plan
from lvslab.progress import Silent

NAT = topology.builtins()["lvs-nat"].read_text()


def plan_of(text: str) -> Plan:
    return make_plan(topology.loads(text), "lab", agent_files=())


def found(plan: Plan) -> Inventory:
    networks = tuple(
        FoundNetwork(n.name, n.name, (n.subnet,), dict(n.labels)) for n in plan.networks
    )
    return Inventory(networks=networks)


@pytest.mark.parametrize(
    ("change", "made", "written"),
    [
        (("", ""), [], False),
        # The network that carries the topology is kept, and its labels cannot be changed.
        (("gateway: 10.23.0.254", "gateway: 10.23.0.250"), ["lvs_nat-inside"], True),
        (("scheduler: rr", "scheduler: wrr"), [], True),
        (("172.23.0.0/16", "172.23.0.0/17"), ["lvs_nat"], False),
    ],
)
def test_the_topology_is_written_down_anew_unless_its_network_is(
    monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], made: list[str], written: bool
) -> None:
    before, after = plan_of(NAT), plan_of(NAT.replace(*change))
    done: list[str] = []
    wrote: list[Plan] = []
    monkeypatch.setattr(make, "make_network", lambda _client, network: done.append(network.name))
    monkeypatch.setattr(make, "carry_source", lambda _client, plan: wrote.append(plan))
    engine: Any = SimpleNamespace(client=None)
    mine = found(before)
    changes = converge._preview(mine, after)
    converge._Maker(engine, after, mine, changes, Silent())._networks()
    assert done == [f"lvslab-lab-{name}" for name in made]
    assert wrote == ([after] if written else [])
