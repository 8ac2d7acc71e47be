"""What must hold before a lab is called ready, judged from what the agents say. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lvslab.plan.forwarding import TUNNEL, vip_device, vips_of
from lvslab.topology.served import spreads
from lvslab.topology.spec import TopologySpec, VirtualServerSpec, VrrpInstanceSpec

Status = Mapping[str, Any]

_FORWARD = "net.ipv4.ip_forward"


@dataclass(frozen=True, slots=True)
class Unmet:
    """One condition that does not hold, and the node to look at."""

    node: str
    what: str


def unmet_services(statuses: Mapping[str, Status]) -> list[Unmet]:
    """Return the services that ended; nothing starts them again by itself."""
    return [
        Unmet(node, f"its {service} does not run")
        for node, status in statuses.items()
        for service, shown in status.get("services", {}).items()
        if not shown.get("running")
    ]


def unmet_holders(spec: TopologySpec, statuses: Mapping[str, Status]) -> list[Unmet]:
    """Return the VIPs that are not held by exactly one director, the one that should."""
    found: list[Unmet] = []
    for instance in spec.vrrp_instances:
        rightful = _rightful(spec, instance)
        first = instance.by_priority()[0].director
        for vip in (str(v.ip) for v in instance.vips):
            holders = [d for d, s in statuses.items() if vip in s.get("holds", ())]
            if not holders:
                found.append(Unmet(first, f"no director holds the VIP {vip}"))
            elif len(holders) > 1:
                found.append(Unmet(holders[-1], f"{' and '.join(holders)} both hold the VIP {vip}"))
            elif rightful and holders != [rightful]:
                found.append(
                    Unmet(
                        rightful,
                        f"the VIP {vip} is held by {holders[0]}, not by {rightful}, which has "
                        "the higher priority and preempts",
                    )
                )
    return found


def unmet_gateway(spec: TopologySpec, statuses: Mapping[str, Status]) -> list[Unmet]:
    """Return what keeps the answers of NAT from finding back; ``statuses`` of the directors."""
    name = spec.gateway_instance
    if spec.inside is None or name is None:
        return []
    found = [
        Unmet(director, f"its {_FORWARD} is {value}: no answer gets through it")
        for director, status in statuses.items()
        if (value := status.get("sysctls", {}).get(_FORWARD, "1")) != "1"
    ]
    instance = next(i for i in spec.vrrp_instances if i.name == name)
    vip, gateway = str(instance.vips[0].ip), str(spec.inside.gateway)
    served = [d for d, s in statuses.items() if vip in s.get("holds", ())]
    routed = [d for d, s in statuses.items() if gateway in s.get("holds", ())]
    if served != routed:
        who = " and ".join(routed) or "no director"
        where = (served or routed)[0]
        found.append(
            Unmet(where, f"the real servers' gateway {gateway} is held by {who}, the VIP {vip} by "
                         f"{' and '.join(served) or 'none'}")
        )  # fmt: skip
    return found


def unmet_tunnels(spec: TopologySpec, statuses: Mapping[str, Status]) -> list[Unmet]:
    """Return what keeps real servers from taking requests out of their tunnel, by their status."""
    if vip_device(spec) != TUNNEL:
        return []
    found: list[Unmet] = []
    for server, status in statuses.items():
        link = status.get("links", {}).get(TUNNEL)
        if link is None:
            found.append(Unmet(server, f"has no {TUNNEL}: the engine's kernel lacks ipip"))
            continue
        if not link.get("up"):
            found.append(Unmet(server, f"{TUNNEL} is down"))
        wanted = [str(vip) for vip in vips_of(spec, server)]
        lacking = sorted(set(wanted) - set(vips_on(TUNNEL, wanted, status)))
        found += [Unmet(server, f"does not have the VIP {vip} on {TUNNEL}") for vip in lacking]
    return found


def vips_on(device: str, vips: Iterable[str], status: Status) -> tuple[str, ...]:
    """Return those VIPs that a node has on an interface."""
    there = {
        one["address"].partition("/")[0]
        for one in status.get("addresses", ())
        if one["interface"] == device
    }
    return tuple(sorted(there & set(vips)))


def unmet_tables(spec: TopologySpec, statuses: Mapping[str, Status]) -> list[Unmet]:
    """Return the real servers that a director's IPVS table does not list as planned.

    Of every director, not only of the holder: one that takes over with an incomplete table
    makes an outage that no fault explains.
    """
    return [
        Unmet(director, f"its IPVS table {lack}")
        for director, status in statuses.items()
        for vs in spec.virtual_servers
        for lack in _lacking(vs, status)
    ]


def unmet_answers(spec: TopologySpec, answered: Mapping[str, Iterable[str]]) -> list[Unmet]:
    """Return the real servers that have not yet answered a request to the VIP from a client.

    ``answered`` has, by virtual server, the addresses that were seen to answer.
    """
    if not spec.clients:
        return []
    found: list[Unmet] = []
    for vs in asked(spec):
        seen = set(answered.get(vs.key, ()))
        wanted = {str(m.address): m.server for m in vs.members if m.weight > 0}
        missing = [name for address, name in wanted.items() if address not in seen]
        if missing and (spreads(vs) or not seen):
            found.append(
                Unmet(missing[0], f"no request to {vs.key} was answered by {', '.join(missing)}")
            )
    return found


def asked(spec: TopologySpec) -> list[VirtualServerSpec]:
    """Return the virtual servers that a client asks: those with a real server to answer."""
    return [vs for vs in spec.virtual_servers if any(m.weight > 0 for m in vs.members)]


def _rightful(spec: TopologySpec, instance: VrrpInstanceSpec) -> str | None:
    """Return the director that VRRP must settle on; None where that is not for sure.

    Without preemption it is whoever was first; raw lines may change priorities.
    """
    best = instance.by_priority()[0]
    raw = spec.global_raw + instance.raw + "".join(d.raw + d.definitions for d in spec.directors)
    return None if raw or best.nopreempt or best.preempt_delay else best.director


def _lacking(vs: VirtualServerSpec, status: Status) -> list[str]:
    table = {
        (row["vip"], int(row["port"]), row["protocol"]): row["servers"]
        for row in status.get("ipvs", ())
    }
    rows = table.get((str(vs.vip), vs.port, vs.protocol))
    if rows is None:
        return [f"does not have {vs.key}"]
    weights = {(r["address"], int(r["port"])): int(r["weight"]) for r in rows}
    lacking = []
    for member in vs.members:
        weight = weights.get((str(member.address), member.port))
        if weight is None:
            lacking.append(f"does not list {member.server} for {vs.key}")
        elif weight == 0 < member.weight:
            lacking.append(f"lists {member.server} for {vs.key} with weight 0: its check fails")
    return lacking
