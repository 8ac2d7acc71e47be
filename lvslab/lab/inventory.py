"""What is on an engine, read in as few requests as it takes, and found by labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from typing import TYPE_CHECKING, Any

from lvslab import labels
from lvslab.lab.api import asking

if TYPE_CHECKING:
    import docker


@dataclass(frozen=True, slots=True)
class FoundContainer:
    """A container, lvslab's or anybody's."""

    id: str
    name: str
    image: str
    #: ``created``, ``running``, ``paused``, ``exited``, ``restarting``, ``removing``, ``dead``.
    state: str
    labels: Mapping[str, str]

    @property
    def lab(self) -> str | None:
        """The lab that it is part of."""
        return self.labels.get(labels.LAB)

    @property
    def node(self) -> str:
        """The node that it is."""
        return self.labels.get(labels.NODE, self.name)


@dataclass(frozen=True, slots=True)
class FoundNetwork:
    """A network, lvslab's or anybody's."""

    id: str
    name: str
    subnets: tuple[IPv4Network, ...]
    labels: Mapping[str, str]

    @property
    def lab(self) -> str | None:
        """The lab that it is part of."""
        return self.labels.get(labels.LAB)


@dataclass(frozen=True, slots=True)
class FoundVolume:
    """A volume of lvslab's: it has no data, only labels (see :func:`source_volume`)."""

    name: str
    labels: Mapping[str, str]

    @property
    def lab(self) -> str | None:
        """The lab that it is part of."""
        return self.labels.get(labels.LAB)


@dataclass(frozen=True, slots=True)
class Inventory:
    """Containers and networks of an engine; volumes are lvslab's only."""

    containers: tuple[FoundContainer, ...] = ()
    networks: tuple[FoundNetwork, ...] = ()
    volumes: tuple[FoundVolume, ...] = ()

    def of(self, lab: str) -> Inventory:
        """Return what is part of one lab."""
        return Inventory(
            tuple(c for c in self.containers if c.lab == lab),
            tuple(n for n in self.networks if n.lab == lab),
            tuple(v for v in self.volumes if v.lab == lab),
        )

    def labs(self) -> list[str]:
        """Return the names of all labs, sorted."""
        return sorted({t.lab for t in self.things() if t.lab})

    def things(self) -> list[FoundContainer | FoundNetwork | FoundVolume]:
        """Return all of it; what lasts longest (a volume) last."""
        return [*self.containers, *self.networks, *self.volumes]

    def source(self) -> str | None:
        """Return the topology (JSON) that the lab was last brought to; None if it is not there.

        For an inventory of one lab.
        """
        # A volume is made after the network, when the topology changed and the network did not.
        for thing in reversed(self.things()):
            if labels.SOURCE in thing.labels:
                return thing.labels[labels.SOURCE]
        return None

    def __bool__(self) -> bool:
        return bool(self.containers or self.networks or self.volumes)


def source_volume(lab: str) -> str:
    """Return the name of the volume that carries a lab's topology when its network cannot.

    A network's labels cannot be changed, and a network that matches its plan is kept.
    """
    return f"lvslab-{lab}-source"


def read(client: docker.DockerClient, *, everything: bool = False) -> Inventory:
    """Read an engine: lvslab's things, or ``everything``. Three requests.

    Raises EngineError when it does not answer.
    """
    ours = {"label": labels.LAB}
    filters = None if everything else ours
    with asking("looking at what is on the engine"):
        containers = client.api.containers(all=True, filters=filters)
        networks = client.api.networks(filters=filters)
        volumes = client.api.volumes(filters=ours)
    return Inventory(
        tuple(_container(c) for c in containers),
        tuple(_network(n) for n in networks),
        tuple(FoundVolume(v["Name"], v.get("Labels") or {}) for v in volumes["Volumes"] or ()),
    )


def _container(shown: Mapping[str, Any]) -> FoundContainer:
    # A container may have more names, by links: its own has no second slash.
    names = [n.removeprefix("/") for n in shown.get("Names") or ()]
    own = [n for n in names if "/" not in n] or [shown["Id"][:12]]
    return FoundContainer(
        shown["Id"],
        own[0],
        shown.get("Image", ""),
        shown.get("State", ""),
        shown.get("Labels") or {},
    )


def _network(shown: Mapping[str, Any]) -> FoundNetwork:
    configs = (shown.get("IPAM") or {}).get("Config") or ()
    parsed = [ip_network(c["Subnet"], strict=False) for c in configs if c.get("Subnet")]
    return FoundNetwork(
        shown["Id"],
        shown["Name"],
        tuple(n for n in parsed if isinstance(n, IPv4Network)),
        shown.get("Labels") or {},
    )
