"""What a fault is: data that says what to do to a node, how to undo it, and what to expect."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from lvslab.errors import FaultError
from lvslab.plan.model import Role
from lvslab.topology.spec import TopologySpec
from lvslab.topology.spoken import Language

#: One operation of the agent, as docs/agent.md ("Operations") has it.
Operation = dict[str, Any]

#: What each role is called in a sentence.
A_ROLE: Mapping[Role, str] = {
    "director": "a director",
    "real-server": "a real server",
    "client": "a client",
}


#: What comes of a fault, as far as a protocol promises something of it. A director's:
#: ``graceful``, it says goodbye; ``silent``, nothing of it is heard nor forwarded any more;
#: ``forwarding``, it is not heard and its kernel forwards on; ``nothing``, no one notices.
#: A real server's, to a connection: ``refused`` at once, ``timeout`` (nobody answers in it),
#: ``unreachable`` (not even the kernel does).
Effect = Literal["graceful", "silent", "forwarding", "nothing", "refused", "timeout", "unreachable"]


#: A director's two sides with NAT: the clients' network, and the one behind it. Else it has the
#: first alone.
Link = Literal["outer", "inside"]


class Params(BaseModel):
    """What can be said about a fault; one without parameters has none of these.

    A field's docstring describes it in ``lvslab faults``. Text is read as what the field is,
    because a command line has nothing else.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


P = TypeVar("P", bound=Params)


@dataclass(frozen=True, slots=True)
class Target:
    """A node as a fault sees it."""

    name: str
    role: Role
    #: The interface that carries VRRP, the VIP and the checks.
    interface: str = "eth0"
    #: The lab that it is in; None where a fault does not ask for it.
    spec: TopologySpec | None = None
    params: Params = field(default_factory=Params)

    @property
    def lab(self) -> TopologySpec:
        """The lab's topology. Raises FaultError where the target was made without one."""
        if self.spec is None:
            raise FaultError(f"{self.name} belongs to no topology", fix="aim with registry.choose")
        return self.spec

    def given(self, kind: type[P]) -> P:
        """Return the parameters as the fault's own kind; its defaults where none were given."""
        return self.params if isinstance(self.params, kind) else kind()


@dataclass(frozen=True, slots=True)
class Part:
    """What a fault does in one node."""

    node: str
    inject: list[Operation]
    heal: list[Operation]


def nothing(target: Target) -> list[Operation]:
    """Return no operation: of a fault that is done elsewhere, or that needs no heal."""
    del target
    return []


def nowhere(target: Target) -> str | None:
    """Return why a fault makes no sense on a target: never, for most."""
    del target
    return None


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
    #: Of a default: what is taken in its place where it is refused, the first that is not.
    or_else: tuple[str, ...] = ()
    #: The container itself ends, so lvslab must start it before anything else can heal.
    engine_heal: bool = False
    #: It heals by itself so many seconds after it was injected, whoever watches.
    returns: Callable[[Target], float] | None = None
    #: What a reader should know after having seen it, by role; printed under the figures.
    lesson: Mapping[Role, str] = field(default_factory=dict)
    params: type[Params] = Params
    #: What a protocol can promise of it, by role; a role that is missing is promised nothing.
    effect: Mapping[Role, Effect] = field(default_factory=dict)
    #: What the one program of a real server speaks that the effect is of; None: of all of them.
    speaks: Language | None = None
    #: Which of a director's links it takes down, so that its checks fail until that is back.
    link: Link | None = None
    #: Nodes other than the target in which something is done; the target's own part is then
    #: left out where it is empty.
    elsewhere: Callable[[Target], Sequence[Part]] | None = None
    #: Why it makes no sense on this very target, in words; None where it does.
    refuses: Callable[[Target], str | None] = nowhere

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

    def parts(self, target: Target) -> list[Part]:
        """Return what is done where, in the order in which it is injected."""
        found = [] if self.elsewhere is None else list(self.elsewhere(target))
        own = Part(target.name, self.inject_ops(target), self.heal_ops(target))
        return [own, *found] if own.inject or not found else found


def target_of(spec: TopologySpec, node: str) -> Target:
    """Return the node of that name as a target. Raises FaultError when there is none."""
    roles = roles_of(spec)
    if node not in roles:
        raise FaultError(
            f"lab {spec.name!r} has no node {node!r}", fix=f"nodes: {', '.join(roles)}"
        )
    return Target(node, roles[node], spec=spec)


def roles_of(spec: TopologySpec) -> dict[str, Role]:
    """Return every node's name and role, in the order of the topology."""
    roles: dict[str, Role] = {d.name: "director" for d in spec.directors}
    roles.update({r.name: "real-server" for r in spec.real_servers})
    roles.update({c.name: "client" for c in spec.clients})
    return roles
