"""What has to be done to turn what is on an engine into what a plan says. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lvslab import labels
from lvslab.errors import ConflictError
from lvslab.lab.inventory import FoundContainer, FoundNetwork, Inventory
from lvslab.plan.model import NetworkPlan, NodePlan, Plan

Verb = Literal["keep", "create", "start", "replace", "remove"]

#: Container states that end by themselves in nothing that could be used.
_BROKEN = ("removing", "dead", "restarting")


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do, or to leave alone; ``start``: it matches, but does not run."""

    verb: Verb
    kind: Literal["network", "node"]
    name: str
    why: str
    #: The container or network that is there, for every verb but ``create``.
    id: str | None = None


def decide(plan: Plan, existing: Inventory, image_of: Callable[[str], str]) -> list[Action]:
    """Return what to do about every network and node of the plan, and of the lab as it is.

    ``existing`` is the inventory of this lab (others in it are left alone); ``image_of`` gives
    the node image of a Debian release.
    """
    mine = existing.of(plan.lab)
    networks = _networks(plan, mine)
    renewed = {a.name for a in networks if a.verb in ("create", "replace")}
    there: dict[str, FoundContainer] = {}
    surplus: list[Action] = []
    planned = {n.name for n in plan.nodes}
    for container in mine.containers:
        if container.node in planned and container.node not in there:
            there[container.node] = container
        else:
            surplus.append(
                Action("remove", "node", container.node, "not in the topology", container.id)
            )
    nodes = [_node(n, there.get(n.name), renewed, image_of(n.debian)) for n in plan.nodes]
    return [*networks, *surplus, *nodes]


def _networks(plan: Plan, mine: Inventory) -> list[Action]:
    there = {n.name: n for n in mine.networks}
    actions = [_network(n, there.pop(n.name, None)) for n in plan.networks]
    actions += [
        Action("remove", "network", n.name, "not in the topology", n.id) for n in there.values()
    ]
    return actions


def _network(planned: NetworkPlan, found: FoundNetwork | None) -> Action:
    if found is None:
        return Action("create", "network", planned.name, "not there")
    if found.labels.get(labels.PLAN) != dict(planned.labels).get(labels.PLAN):
        return Action("replace", "network", planned.name, "its addresses changed", found.id)
    return Action("keep", "network", planned.name, "as planned", found.id)


def _node(planned: NodePlan, found: FoundContainer | None, renewed: set[str], image: str) -> Action:
    def act(verb: Verb, why: str) -> Action:
        return Action(verb, "node", planned.name, why, found.id if found else None)

    if found is None:
        return act("create", "not there")
    if found.labels.get(labels.PLAN) != planned.digest:
        return act("replace", "what is planned for it changed")
    if found.image != image:
        return act("replace", "the node image changed")
    if any(i.network in renewed for i in planned.interfaces):
        return act("replace", "its network is made anew")
    if found.state in _BROKEN:
        return act("replace", f"its container is {found.state}")
    if found.state == "created":
        # The up that made it was killed: its files may be missing. Nor may they be put in
        # now: the engine may still be carrying out that up's request to start it.
        return act("replace", "it was never started")
    if found.state != "running":
        return act("start", f"its container is {found.state}")
    return act("keep", "as planned")


def check_conflicts(plan: Plan, everything: Inventory) -> None:
    """Raise ConflictError when something that is not this lab's is where the plan would go."""
    mine = {plan.lab}
    names = {n.container: n.name for n in plan.nodes}
    for container in everything.containers:
        if container.name in names and container.lab not in mine:
            raise ConflictError(
                f"the container {container.name!r} {_owner(container.lab)} and has the name "
                f"that node {names[container.name]!r} needs",
                fix=_way_out(container.lab, f"docker rename {container.name} NEW_NAME"),
            )
    for network in everything.networks:
        if network.lab in mine:
            continue
        for planned in plan.networks:
            if network.name == planned.name:
                raise ConflictError(
                    f"the network {network.name!r} {_owner(network.lab)}",
                    fix=_way_out(network.lab, f"docker network rm {network.name}"),
                )
            for subnet in network.subnets:
                if subnet.overlaps(planned.subnet):
                    raise ConflictError(
                        f"the subnet {planned.subnet} is in use: the network {network.name!r} "
                        f"has {subnet}, and {_owner(network.lab)}",
                        fix=_way_out(network.lab, _freed(network.name))
                        + "; or set another network.subnet in the topology",
                    )


def _owner(lab: str | None) -> str:
    return f"is part of lab {lab!r}" if lab else "was not made by lvslab"


def _freed(network: str) -> str:
    """Return how a network that is nobody's lab gives its subnet up."""
    if network == "bridge":
        return "give Docker's own network another one (bip in /etc/docker/daemon.json)"
    return f"docker network rm {network}"


def _way_out(lab: str | None, otherwise: str) -> str:
    return f"lvslab teardown --lab {lab}" if lab else otherwise
