"""What a fault is: data that says what to do to a node, how to undo it, and what to expect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lvslab.errors import FaultError
from lvslab.plan.model import Role
from lvslab.topology.spec import TopologySpec

#: One operation of the agent, as docs/agent.md ("Operations") has it.
Operation = dict[str, Any]

#: What each role is called in a sentence.
A_ROLE: Mapping[Role, str] = {
    "director": "a director",
    "real-server": "a real server",
    "client": "a client",
}


@dataclass(frozen=True, slots=True)
class Target:
    """A node as a fault sees it."""

    name: str
    role: Role
    #: The interface that carries VRRP, the VIP and the checks.
    interface: str = "eth0"


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break a node. A file of :mod:`lvslab.faults` defines one, named ``FAULT``."""

    name: str
    #: One line: what is done.
    summary: str
    #: What should happen and why, for each role that the fault makes sense on.
    expect: Mapping[Role, str]
    inject: Callable[[Target], list[Operation]]
    heal: Callable[[Target], list[Operation]]
    #: Roles for which this one is taken when none is named.
    default_for: frozenset[Role] = frozenset()
    #: The container itself ends, so lvslab must start it before anything else can heal.
    engine_heal: bool = False
    #: What a reader should know after having seen it, by role; printed under the figures.
    lesson: Mapping[Role, str] = field(default_factory=dict)

    @property
    def roles(self) -> frozenset[Role]:
        """The roles of the nodes that this fault can be aimed at."""
        return frozenset(self.expect)

    def inject_ops(self, target: Target) -> list[Operation]:
        """Return the agent's operations that break ``target``."""
        return self.inject(target)

    def heal_ops(self, target: Target) -> list[Operation]:
        """Return the agent's operations that undo it; run after the container was started."""
        return self.heal(target)


def target_of(spec: TopologySpec, node: str) -> Target:
    """Return the node of that name as a target. Raises FaultError when there is none."""
    roles = roles_of(spec)
    if node not in roles:
        raise FaultError(
            f"lab {spec.name!r} has no node {node!r}", fix=f"nodes: {', '.join(roles)}"
        )
    return Target(node, roles[node])


def roles_of(spec: TopologySpec) -> dict[str, Role]:
    """Return every node's name and role, in the order of the topology."""
    roles: dict[str, Role] = {d.name: "director" for d in spec.directors}
    roles.update({r.name: "real-server" for r in spec.real_servers})
    roles.update({c.name: "client" for c in spec.clients})
    return roles
