"""Who a role is, at the moment at which it matters. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from lvslab.errors import FaultError
from lvslab.scenario.spec import (
    ACTIVE,
    ANY_SERVER,
    BACKUP,
    EVERY_DIRECTOR,
    EVERY_SERVER,
)
from lvslab.topology.spec import TopologySpec

Held = Mapping[str, Sequence[str]]


def active(spec: TopologySpec, held: Held) -> str | None:
    """Return the director that holds the first VIP, or else any; None where nobody does."""
    for vip in (str(v) for v in spec.vips):
        for director in spec.directors:
            if vip in held.get(director.name, ()):
                return director.name
    return None


def backup(spec: TopologySpec, held: Held) -> str | None:
    """Return the director that would take over: of those that hold nothing, the first by priority.

    Where each holds something, the one that would take over the first VIP.
    """
    holder = active(spec, held)
    for instance in spec.vrrp_instances:
        others = [m.director for m in instance.by_priority() if m.director != holder]
        idle = [d for d in others if not held.get(d)]
        if idle or others:
            return (idle or others)[0]
    return None


def nodes_of(target: str, spec: TopologySpec, held: Held, chance: random.Random) -> list[str]:
    """Return the nodes that a target means now. Raises FaultError where nobody is that."""
    servers = [r.name for r in spec.real_servers]
    found: list[str | None]
    match target:
        case _ if target == ACTIVE:
            found = [active(spec, held)]
        case _ if target == BACKUP:
            found = [backup(spec, held)]
        case _ if target == EVERY_DIRECTOR:
            found = [d.name for d in spec.directors]
        case _ if target == EVERY_SERVER:
            found = list(servers)
        case _ if target == ANY_SERVER:
            found = [chance.choice(servers)]
        case _:
            found = [target]
    nodes = [n for n in found if n is not None]
    if not nodes:
        raise FaultError(f"no node is the {target} now", fix="lvslab status shows who holds what")
    return nodes
