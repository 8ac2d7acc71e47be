"""VRRP instances of the files -> those of a topology."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Any

from lvslab.conf.models import Instance
from lvslab.conf.values import whole
from lvslab.importer.model import ImportProblem, Source
from lvslab.importer.pools import raw_of

#: Of these one line of an instance counts, the last. Several names are one line.
INSTANCE_VALUES = (
    "state",
    "interface",
    "virtual_router_id",
    "priority",
    "version",
    "advert_int",
    "nopreempt",
    "preempt_delay",
    "mcast_src_ip unicast_src_ip",
    "garp_master_delay",
    "garp_master_repeat",
    "garp_master_refresh",
    "garp_master_refresh_repeat",
    "garp_lower_prio_delay",
    "garp_lower_prio_repeat",
)
#: Of an instance a topology says these; the rest is in its raw text.
INSTANCE = frozenset(
    [
        *" ".join(INSTANCE_VALUES).split(),
        "unicast_peer",
        "authentication",
        "virtual_ipaddress",
        "virtual_ipaddress_excluded",
        "track_interface",
    ]
)
_GARP = (
    "master_delay",
    "master_repeat",
    "master_refresh",
    "master_refresh_repeat",
    "lower_prio_delay",
    "lower_prio_repeat",
)


def instances(
    sources: Sequence[Source], interface: str, gateway: IPv4Address | None = None
) -> dict[str, Any]:
    """Return every instance, as the first director that has it says; priorities are each one's.

    The real servers' ``gateway`` is no VIP: the topology has it in another place.
    Raises ImportProblem where there is none.
    """
    found: dict[str, list[tuple[Source, Instance]]] = {}
    for source in sources:
        for one in source.config.view.instances:
            found.setdefault(one.name, []).append((source, one))
    if not found:
        raise ImportProblem(
            "there is no vrrp_instance and no virtual_server of an IPv4 address in it",
            where=sources[0].config.document.name,
            fix="a lab has no IPv6 yet; are the files that it includes there?",
        )
    return {name: _instance(parts, interface, str(gateway)) for name, parts in found.items()}


def _instance(
    parts: Sequence[tuple[Source, Instance]], interface: str, gateway: str
) -> dict[str, Any]:
    first = parts[0][1]
    vips = [v for v in first.vips if v.address is not None and v.ip != gateway]
    garp = {key: _whole(first, f"garp_{key}") for key in _GARP}
    garp = {key: value for key, value in garp.items() if value is not None}
    label = next((v.label for v in vips if v.label), None)
    # It is the best one that would take the VIPs back; as MASTER keepalived drops both settings.
    best = max((one for _, one in parts), key=lambda one: one.priority)
    drops = best.state == "MASTER"
    nopreempt = best.nopreempt and not drops
    delay = 0.0 if drops or nopreempt else best.preempt_delay
    return {
        "vrid": first.vrid,
        "vips": list(dict.fromkeys(v.ip for v in vips)),
        "version": first.version,
        "advert_int": first.advert_int,
        "preempt": False if nopreempt else None,
        "preempt_delay": delay or None,
        # Alone it has no peer to send to: keepalived wants one, so its adverts are multicast.
        "unicast": (first.unicast and len({s.name for s, _ in parts}) > 1) or None,
        "auth": _auth(first),
        "garp": garp or None,
        "label": f"{interface}:{label.partition(':')[2]}" if label and ":" in label else None,
        "priorities": {source.name: one.priority for source, one in parts},
        "raw": raw_of(first.node, INSTANCE),
    }


def _auth(first: Instance) -> dict[str, str] | None:
    if not first.auth_type or not first.auth_pass or first.version != 2:
        return None
    return {"auth_type": first.auth_type, "auth_pass": first.auth_pass[:8]}


def _whole(first: Instance, keyword: str) -> int | None:
    node = first.node.last(keyword)
    return whole(node.arg()) if node else None
