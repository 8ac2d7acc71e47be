"""Removes labs, found by their labels alone: the topology file is never needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker.errors import APIError, NotFound

from lvslab.errors import LabError
from lvslab.lab.api import asking, in_parallel
from lvslab.lab.inventory import FoundNetwork, FoundVolume, Inventory, read

if TYPE_CHECKING:
    import docker

    from lvslab.engine.base import Engine
    from lvslab.progress import Progress

#: Something may appear while it is being removed, made by an ``up`` that was killed a moment ago.
_ROUNDS = 3
_GOING = 409


def teardown(engine: Engine, lab: str, *, progress: Progress) -> bool:
    """Remove everything of a lab, half-made ones too; False when there was nothing.

    Containers are killed, not stopped: nothing in them is worth a farewell. Raises LabError
    for what could not be removed.
    """
    left = read(engine.client).of(lab)
    if not left:
        return False
    with progress.step(f"removing lab {lab}"):
        for _ in range(_ROUNDS):
            _remove(engine.client, left)
            left = read(engine.client).of(lab)
            if not left:
                return True
    names = [t.name for t in left.things()]
    raise LabError(
        f"lab {lab} comes back while it is being removed: {', '.join(names)}",
        fix="end the other lvslab that works on it, then: lvslab teardown",
    )


def remove_containers(client: docker.DockerClient, ids: list[str]) -> None:
    """Kill and remove containers at once; those that are gone already are no error."""
    in_parallel(ids, lambda ident: _remove_container(client, ident))


def remove_network(client: docker.DockerClient, network: FoundNetwork) -> None:
    """Remove a network. Raises LabError when containers that are not lvslab's are in it."""
    with asking(f"removing network {network.name}"):
        try:
            client.api.remove_network(network.id)
        except NotFound:
            return
        except APIError as error:
            if "active endpoints" not in str(error.explanation):
                raise
            inside = (client.api.inspect_network(network.id).get("Containers") or {}).values()
            names = sorted(c["Name"] for c in inside)
            raise LabError(
                f"the network {network.name} cannot be removed: others are in it: "
                f"{', '.join(names)}",
                fix="\n".join(f"docker network disconnect {network.name} {n}" for n in names),
            ) from error


def _remove(client: docker.DockerClient, found: Inventory) -> None:
    remove_containers(client, [c.id for c in found.containers])
    rest: list[FoundNetwork | FoundVolume] = [*found.networks, *found.volumes]
    in_parallel(rest, lambda thing: _remove_other(client, thing))


def _remove_other(client: docker.DockerClient, thing: FoundNetwork | FoundVolume) -> None:
    if isinstance(thing, FoundNetwork):
        remove_network(client, thing)
        return
    with asking(f"removing volume {thing.name}"):
        try:
            client.api.remove_volume(thing.name)
        except NotFound:
            return


def _remove_container(client: docker.DockerClient, ident: str) -> None:
    with asking(f"removing container {ident[:12]}"):
        try:
            client.api.remove_container(ident, force=True, v=True)
        except NotFound:
            return
        except APIError as error:
            # Someone else's removal of it is under way: wait for its end instead.
            if error.status_code != _GOING:
                raise
            try:
                client.api.wait(ident, condition="removed")
            except NotFound:
                return
