"""Makes single containers and networks exactly as the plan says."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from typing import TYPE_CHECKING

from docker.types import IPAMConfig, IPAMPool, LogConfig
from docker.utils import version_gte

from lvslab import labels
from lvslab.lab.api import asking
from lvslab.lab.inventory import FoundContainer, source_volume
from lvslab.plan.forwarding import INTERFACE_NAME
from lvslab.plan.model import FilePlan, NetworkPlan, NodePlan, Plan

if TYPE_CHECKING:
    import docker

#: A lab that runs for days must not fill the engine's disk with its agents' events.
_LOG = {"max-size": "10m", "max-file": "2"}

#: The API version of Docker 28.
_CHANCE = "1.48"


def make_network(client: docker.DockerClient, plan: NetworkPlan) -> None:
    """Create a bridge network. Raises ConflictError when its subnet is taken."""
    pool = IPAMPool(
        subnet=str(plan.subnet),
        gateway=str(plan.gateway),
        aux_addresses={name: str(address) for name, address in plan.reserved},
    )
    with asking(f"creating network {plan.name} ({plan.subnet})"):
        client.api.create_network(
            plan.name,
            driver="bridge",
            ipam=IPAMConfig(pool_configs=[pool]),
            check_duplicate=True,
            labels=dict(plan.labels),
            options={"com.docker.network.bridge.enable_icc": "true"},
        )


def make_container(client: docker.DockerClient, plan: NodePlan, image: str) -> FoundContainer:
    """Create a node's container, without its files. Raises ConflictError for a taken name."""
    api = client.api
    first, *more = plan.interfaces
    names = _names(api.api_version, len(plan.interfaces))
    endpoint = api.create_endpoint_config(ipv4_address=str(first.address), driver_opt=names[0])
    with asking(f"creating {plan.name}"):
        made = api.create_container(
            image,
            list(plan.command),
            name=plan.container,
            hostname=plan.hostname,
            # Attached streams come and go: stdin must outlive each of them.
            detach=True,
            stdin_open=True,
            labels=dict(plan.labels),
            networking_config={"EndpointsConfig": {first.network: endpoint}},
            host_config=api.create_host_config(
                network_mode=first.network,
                init=True,
                cap_add=list(plan.cap_add) or None,
                sysctls=dict(plan.sysctls) or None,
                log_config=LogConfig(type=LogConfig.types.JSON, config=_LOG),
            ),
        )
        for interface, name in zip(more, names[1:], strict=True):
            api.connect_container_to_network(
                made["Id"],
                interface.network,
                ipv4_address=str(interface.address),
                driver_opt=name,
            )
    return FoundContainer(made["Id"], plan.container, image, "created", dict(plan.labels))


def _names(api_version: str, count: int) -> list[dict[str, str] | None]:
    """Return what makes a container's interfaces eth0, eth1... in the plan's order.

    A single one is eth0 everywhere. Engines before Docker 28 go by the networks' names, which are
    in that order; later ones by chance (moby issue 49935), unless they are told.
    """
    if count == 1 or not version_gte(api_version, _CHANCE):
        return [None] * count
    return [{INTERFACE_NAME: f"eth{n}"} for n in range(count)]


def put_files(client: docker.DockerClient, container: str, plan: NodePlan) -> None:
    """Put all of a node's files into its container, in one request."""
    with asking(f"putting files into {plan.name}"):
        client.api.put_archive(container, "/", tar_of(plan.files))


def tar_of(files: Iterable[FilePlan]) -> bytes:
    """Return files as a tar archive, owned by root; equal files give equal bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for file in files:
            info = tarfile.TarInfo(file.path.lstrip("/"))
            info.size = len(file.content)
            info.mode = file.mode
            tar.addfile(info, io.BytesIO(file.content))
    return buffer.getvalue()


def carry_source(client: docker.DockerClient, plan: Plan) -> None:
    """Write down a changed topology where a network that is kept cannot (its labels are fixed)."""
    wanted = source_labels(plan)
    name = source_volume(plan.lab)
    with asking("writing the topology down"):
        there = client.api.volumes(filters={"name": name})["Volumes"] or []
        if any(v["Name"] == name for v in there):
            client.api.remove_volume(name)
        client.api.create_volume(name, labels=wanted)


def source_labels(plan: Plan) -> dict[str, str]:
    """Return the labels that carry the plan's topology."""
    keys = (labels.LAB, labels.TOPOLOGY, labels.SOURCE, labels.VERSION)
    own = dict(plan.networks[0].labels)
    return {key: own[key] for key in keys if key in own}
