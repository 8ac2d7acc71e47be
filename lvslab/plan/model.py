"""Everything that must exist because of a topology, as plain data.

Pure: no Docker, no clock, no files. A plan can be printed, compared and tested without
an engine. ``lab/`` makes it real.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

Role = Literal["director", "real-server", "client"]

#: Where the node's own description is, inside the node (JSON; see docs/agent.md).
NODE_FILE = "/etc/lvslab/node.json"
#: Where the agent's package is put, inside the node.
AGENT_HOME = "/opt/lvslab"


@dataclass(frozen=True, slots=True)
class FilePlan:
    """One file inside a node, complete."""

    path: str
    content: bytes
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """A Docker bridge network."""

    name: str
    subnet: IPv4Network
    gateway: IPv4Address
    #: Addresses that Docker must never hand out: name -> address (the VIPs).
    reserved: tuple[tuple[str, IPv4Address], ...]
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class InterfacePlan:
    """A node's place in a network. The first is ``eth0``."""

    network: str
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One container, complete: created from this alone."""

    name: str
    role: Role
    container: str
    hostname: str
    debian: str
    interfaces: tuple[InterfacePlan, ...]
    #: Added to Docker's default set; nothing is ever privileged.
    cap_add: tuple[str, ...]
    sysctls: tuple[tuple[str, str], ...]
    files: tuple[FilePlan, ...]
    command: tuple[str, ...]
    #: The node's plan digest is among them; see lvslab.labels.
    labels: tuple[tuple[str, str], ...]
    #: sha256 over all of the above but the labels.
    digest: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole lab."""

    lab: str
    networks: tuple[NetworkPlan, ...]
    nodes: tuple[NodePlan, ...]
    #: sha256 over networks and nodes: equal digests are equal labs.
    digest: str

    def node(self, name: str) -> NodePlan:
        """Return one node by its name. Raises KeyError."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)
