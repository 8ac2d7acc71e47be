"""One director has another configuration than its peers: one word of it differs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Interface
from typing import Literal

from lvslab.faults.model import Fault, Operation, Params, Target
from lvslab.faults.nodefiles import (
    keepalived_back,
    own_instances,
    rewrite_keepalived,
    with_instances,
)
from lvslab.topology.spec import AuthSpec, VrrpInstanceSpec


class ConfigDrift(Params):
    """What differs."""

    what: Literal["vrid", "auth", "advert_int", "vips", "version", "unicast"] = "vrid"
    """The word of each of its VRRP instances that is another than its peers have."""


def _free(target: Target) -> Iterator[IPv4Interface]:
    """Yield addresses of the network that nobody in the lab has."""
    spec = target.lab
    taken = {spec.network.gateway, *spec.vips}
    taken |= {d.address for d in spec.directors} | {r.address for r in spec.real_servers}
    taken |= {c.address for c in spec.clients}
    last = max(spec.vips)
    while (last := last + 1) in spec.network.subnet:
        if last not in taken:
            yield IPv4Interface(f"{last}/32")


def _changed(target: Target, instance: VrrpInstanceSpec) -> VrrpInstanceSpec:
    match target.given(ConfigDrift).what:
        case "vrid":
            used = {i.vrid for i in target.lab.vrrp_instances}
            return replace(instance, vrid=next(n for n in range(255, 0, -1) if n not in used))
        case "auth":
            return replace(instance, auth=AuthSpec("PASS", "drifted"))
        case "advert_int":
            return replace(instance, advert_int=2 * instance.advert_int)
        case "vips":
            return replace(instance, vips=(*instance.vips, next(_free(target))))
        case "version":
            if instance.version == 2:
                return replace(instance, version=3, auth=None)
            # Version 2 counts in whole seconds.
            return replace(instance, version=2, advert_int=math.ceil(instance.advert_int))
        case "unicast":
            return replace(instance, unicast=not instance.unicast)


def _refuses(target: Target) -> str | None:
    mine = [i for i in own_instances(target) if len(i.members) > 1]
    if not mine:
        return "it has no peer"
    if target.given(ConfigDrift).what == "auth" and any(i.version == 3 for i in mine):
        return "VRRP version 3 has no authentication (try what=vrid)"
    return None


def _inject(target: Target) -> list[Operation]:
    spec = with_instances(target, lambda instance: _changed(target, instance))
    return rewrite_keepalived(spec, target.name)


FAULT = Fault(
    name="config-drift",
    summary="give the director a configuration that differs from its peers' in one word",
    expect={
        "director": (
            "After the reload the director and its peers take each other's adverts for somebody "
            "else's, or for wrong, and discard them: both are masters once a master-down timer "
            "has run out. vrid: nothing is logged at all. auth, version and a version 2 "
            "advert_int are logged by whoever discards. vips is logged, and the advert is heeded "
            "(keepalived 2.3). A version 3 backup adopts the advert_int "
            "of its master instead, and no harm is done. unicast: the one speaks to an address, "
            "the other to the group."
        ),
    },
    inject=_inject,
    heal=keepalived_back,
    params=ConfigDrift,
    refuses=_refuses,
    lesson={
        "director": (
            "Both files are right, each for itself, and no check of one of them finds it. They "
            "have to be made from one source."
        ),
    },
)
