"""What to wait for, and for how long: from the topology and its bounds. Pure; seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lvslab.errors import FaultError
from lvslab.faults.model import Target
from lvslab.faults.registry import link_of
from lvslab.timeline import bounds, checkbounds
from lvslab.timeline.bound import Bound
from lvslab.timeline.run import ALLOWANCE, Connections, Promise, Quantity, Run
from lvslab.topology.served import request_to, spreads
from lvslab.topology.spec import PoolMember, TopologySpec, VirtualServerSpec
from lvslab.topology.spoken import language

#: Requests a second, over all targets; the second where one of them speaks TLS.
PLAIN_RATE, SECURE_RATE = 50.0, 10.0
#: What a fault is watched for where nothing is promised.
_UNPROMISED = 30.0
#: After a bound has passed: for what follows it to be seen, and for giving up altogether.
_AFTER, _GIVE_UP_AFTER = 1.0, 15.0

#: What a bound's name means for what is measured; any other is an outage.
_QUANTITY: Mapping[str, Quantity] = {"degraded": "removal", "takeover": "takeover"}

#: keepalived's BOOTSTRAP_DELAY, in seconds; and what its own start takes an emulated processor.
_BOOTSTRAP, _STARTING = 1.0, 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to watch, counted from the fault or the heal."""

    #: By then it should have happened, if anything does.
    expected: float
    #: Give up: it did not settle.
    give_up: float
    #: So long without a failure is steady again.
    steady: float


def describe(
    spec: TopologySpec,
    target: Target,
    fault: str,
    *,
    fault_id: str,
    targets: Mapping[str, int],
    rate: float,
    deadline: float,
    seed: int,
) -> Run:
    """Return the run that is about to be made; promises are added once holders are known.

    ``targets`` are those that are probed.
    """
    addresses = {d.name: d.address for d in spec.directors}
    addresses.update({r.name: r.address for r in spec.real_servers})
    return Run(
        lab=spec.name,
        node=target.name,
        role=target.role,
        fault=fault,
        fault_id=fault_id,
        client=spec.clients[0].name,
        rate=rate,
        deadline=deadline,
        targets=targets,
        vips=tuple(str(v) for v in spec.vips),
        servers={str(r.address): r.name for r in spec.real_servers},
        address=str(addresses[target.name]),
        seed=seed,
    )


def require(spec: TopologySpec, connections: Connections = "short") -> None:
    """Raise FaultError where nobody can ask, or there is nothing to be asked so."""
    if spec.clients and _probed(spec, connections):
        return
    if spec.clients and spec.virtual_servers:
        raise FaultError(
            f"the lab has no virtual server over HTTP, and {connections} connections are of no "
            "other: nothing can be measured",
            fix="ask over connections: short",
        )
    missing = "virtual server" if spec.clients else "client"
    raise FaultError(
        f"the lab has no {missing}: nothing can be measured",
        fix="add one to the topology, or inject without watching (--no-watch)",
    )


def targets(spec: TopologySpec, connections: Connections = "short") -> dict[str, int]:
    """Return what is probed, by key, and how many real servers stand behind each."""
    return {vs.key: max(1, len(_members(vs))) for vs in _probed(spec, connections)}


def usual_rate(spec: TopologySpec) -> float:
    """Return how many requests a second are made where nobody says how many.

    A handshake takes an emulated processor 30 ms, client and real server together, a plain request
    6 (measured); what asks it for more than a third of its time measures itself.
    """
    secure = any(order.get("tls") for order in orders(spec))
    return SECURE_RATE if secure else PLAIN_RATE


def orders(spec: TopologySpec, connections: Connections = "short") -> list[dict[str, Any]]:
    """Return how the agent asks each target, in the order of :func:`targets`."""
    return [request_to(spec, vs) for vs in _probed(spec, connections)]


def with_promises(
    spec: TopologySpec, run: Run, held: Mapping[str, Iterable[str]], injecting: float = 0.0
) -> Run:
    """Add what is promised, given the VIPs that each director really holds.

    ``injecting``: the seconds from the fault's moment until all of it was done. Of a program that
    is told to end they are those that it went on for; less than what is allowed for anyway does
    not count.
    """
    spec = _measured(spec, run)
    mine = set(held.get(run.node, ()))
    outage: list[Bound | None] = []
    takeover: list[Bound | None] = []
    if run.role == "director" and mine:
        for vip in spec.vips:
            if str(vip) in mine:
                outage.append(bounds.expected(spec, run.fault, run.node, run.node, vip=vip))
                takeover.append(bounds.takeover(spec, run.fault, run.node, run.node, vip=vip))
    elif run.role == "director":
        other = next((d for d, vips in held.items() if list(vips) and d != run.node), "")
        outage.append(bounds.expected(spec, run.fault, run.node, other))
    else:
        ending = injecting if injecting > ALLOWANCE else 0.0
        outage.append(bounds.expected(spec, run.fault, run.node, ending=ending))
    return replace(run, promise=_promise(outage), promise_takeover=_promise(takeover))


def with_promise_back(spec: TopologySpec, run: Run, down_for: float) -> Run:
    """Add what is promised of the way back, after ``down_for`` seconds of the fault."""
    link = link_of(run.fault)
    if run.role != "director" or link is None:
        return run
    spec = _measured(spec, run)
    found = [
        bounds.second_outage_after_link_return(spec, i, run.node, down_for=down_for, link=link)
        for i in spec.vrrp_instances
        # Of one that is alone the outage goes on until it is back: there is no second one.
        if any(m.director == run.node for m in i.members) and len(i.members) > 1
    ]
    return replace(run, promise_back=_promise(found))


def limits(run: Run) -> Limits:
    """Return how long to watch after the fault."""
    known = [p.upper for p in (run.promise, run.promise_takeover) if p is not None]
    expected = max(known) + _AFTER if known else _UNPROMISED
    return Limits(expected, expected + _GIVE_UP_AFTER, max(1.0, 2 * run.deadline))


def limits_back(spec: TopologySpec, run: Run) -> Limits:
    """Return how long to watch after the heal."""
    times = [0.0]
    if run.role == "director":
        for instance in spec.vrrp_instances:
            for member in instance.members:
                again = bounds.take_back(instance, member) if member.director == run.node else None
                times.append(again.high if again else 0.0)
    for vs in spec.virtual_servers:
        times += [checkbounds.rs_back(m.check, vs.delay_loop).high for m in vs.members if m.check]
    expected = max(times) + _AFTER
    return Limits(expected, expected + _GIVE_UP_AFTER, max(1.0, 2 * run.deadline))


def taken_back(spec: TopologySpec, node: str) -> bool:
    """Whether a director takes its VIPs again when it is back (preemption)."""
    return any(
        bounds.take_back(instance, member) is not None
        for instance in spec.vrrp_instances
        for member in instance.members
        if member.director == node
    )


def checked_after(spec: TopologySpec) -> float:
    """Return the seconds after keepalived's start in which every check has been made once.

    A first one that fails removes its real server without a retry (``retry_it = retry`` in
    keepalived's check_data.c): what is promised of removals is so from the second on. The first
    comes a second and up to ``delay_loop`` after the start (register_checkers_thread() of
    check_api.c; a ``warmup`` of its own, in a ``raw`` block, is not seen).
    """
    loops = [vs.delay_loop for vs in spec.virtual_servers if any(m.check for m in vs.members)]
    return _STARTING + _BOOTSTRAP + max(loops) if loops else 0.0


def watched_interval(spec: TopologySpec, target: Target) -> float:
    """Return the interval whose phase decides how long the fault goes unnoticed."""
    if target.role == "director":
        return max((i.advert_int for i in spec.vrrp_instances), default=0.0)
    return max(
        (
            vs.delay_loop
            for vs in spec.virtual_servers
            if any(m.server == target.name for m in vs.members)
        ),
        default=0.0,
    )


def expected_servers(spec: TopologySpec, without: str | None = None) -> dict[str, frozenset[str]]:
    """Return the addresses of the real servers that must be seen answering, by target.

    None for a virtual server that keeps a client at one of them.
    """
    return {
        vs.key: frozenset(
            str(m.address) for m in _members(vs) if m.server != without and spreads(vs)
        )
        for vs in spec.virtual_servers
    }


def _probed(spec: TopologySpec, connections: Connections) -> list[VirtualServerSpec]:
    """Return the virtual servers that the probe asks: connections that last are HTTP's alone."""
    return [
        vs for vs in spec.virtual_servers if connections == "short" or language(spec, vs) == "HTTP"
    ]


def _measured(spec: TopologySpec, run: Run) -> TopologySpec:
    """Return the topology without what was not probed: nothing is promised of that."""
    seen = tuple(vs for vs in spec.virtual_servers if vs.key in run.targets)
    return replace(spec, virtual_servers=seen)


def _members(vs: VirtualServerSpec) -> list[PoolMember]:
    return [m for m in vs.members if m.weight > 0]


def _promise(found: Iterable[Bound | None]) -> Promise | None:
    known = list(found)
    known_bounds = [b for b in known if b is not None]
    if not known_bounds or len(known_bounds) < len(known):
        return None
    worst = max(known_bounds, key=lambda b: (b.high, b.low))
    return Promise(
        _QUANTITY.get(worst.name, "outage"),
        min(b.low for b in known_bounds),
        worst.high,
        worst.formula,
        worst.why,
    )
