"""A lab on an engine: its nodes, and the way to the agent in each of them."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from docker.models.containers import Container

from lvslab import labels, topology
from lvslab.closing import Closing
from lvslab.errors import AgentError, LabError, NotFoundError
from lvslab.faults.model import Operation
from lvslab.lab.api import asking
from lvslab.lab.beside import run_beside
from lvslab.lab.inventory import FoundContainer, Inventory, read
from lvslab.observe.link import AgentLink

if TYPE_CHECKING:
    import docker

    from lvslab.engine.base import Engine
    from lvslab.topology.spec import TopologySpec

_ROLES = ("director", "real-server", "client")
#: Seconds that a started node may take until its agent answers (software emulation is slow).
START_TIMEOUT = 90.0


@dataclass(frozen=True, slots=True)
class LabSummary:
    """One line of ``lvslab list``."""

    name: str
    nodes: int
    running: int
    networks: int
    topology: str
    version: str


class Node:
    """One node of a lab."""

    def __init__(self, name: str, role: str, container: Container) -> None:
        self.name = name
        self.role = role
        #: Made from a listing: ``id`` and ``name`` are there, call ``reload()`` for the rest.
        self.container = container
        self._link: AgentLink | None = None
        self._lock = threading.Lock()

    def state(self) -> str:
        """Ask the engine for the container's state (``running``, ``exited``...)."""
        with asking(f"looking at {self.name}"):
            self.container.reload()
        return str(self.container.status)

    def exit_code(self) -> int | None:
        """Return the exit code as of the last :meth:`state`; None while it runs."""
        shown = self.container.attrs["State"]
        return None if shown.get("Running") else int(shown.get("ExitCode", 0))

    def link(self) -> AgentLink:
        """Return the connection to the agent, opened at the first call, and again after its end.

        Raises AgentError when the node is not running.
        """
        with self._lock:
            if self._link is not None and self._link.alive:
                return self._link
            state = self.state()
            if state != "running":
                code = "" if self.exit_code() is None else f", exit code {self.exit_code()}"
                raise AgentError(
                    f"the node is not running ({state}{code})",
                    where=self.name,
                    fix=f"lvslab heal {self.name}, or lvslab up, starts it again",
                )
            return self._attach()

    def attached(self) -> AgentLink | None:
        """Return the connection to the agent if there is one, open or broken."""
        return self._link

    def start(self) -> None:
        """Start the container, attached before it runs, so that no event of it is missed."""
        with self._lock, asking(f"starting {self.name}"):
            self._attach()
            self.container.start()

    def close(self) -> None:
        """Detach from the agent."""
        with self._lock:
            if self._link is not None:
                self._link.close()
                self._link = None

    def _attach(self) -> AgentLink:
        if self._link is not None:
            self._link.close()
        self._link = AgentLink(self.container, self.name)
        return self._link


class Lab(Closing):
    """A lab that is on an engine. Closing it leaves the lab as it is."""

    def __init__(
        self, engine: Engine, name: str, nodes: Iterable[Node], source: str | None
    ) -> None:
        self.engine = engine
        self.name = name
        self._source = source
        ordered = sorted(nodes, key=lambda n: (_rank(n.role), n.name))
        self.nodes: dict[str, Node] = {n.name: n for n in ordered}

    @classmethod
    def find(cls, engine: Engine, name: str) -> Lab:
        """Return a lab by its labels. Raises NotFoundError, naming the labs there are."""
        inventory = read(engine.client)
        found = inventory.of(name)
        if not found:
            there = ", ".join(inventory.labs())
            raise NotFoundError(
                f"there is no lab {name!r} on this engine",
                fix=f"there are: {there}" if there else "make it with: lvslab up",
            )
        return cls.of(engine, name, found)

    @classmethod
    def of(cls, engine: Engine, name: str, found: Inventory) -> Lab:
        """Return the lab that an inventory of it describes."""
        nodes = [node_of(engine.client, c) for c in found.containers]
        return cls(engine, name, nodes, found.source())

    @classmethod
    def list_all(cls, engine: Engine) -> list[LabSummary]:
        """Return all labs of an engine, by name."""
        inventory = read(engine.client)
        return [summary(name, inventory.of(name)) for name in inventory.labs()]

    @cached_property
    def spec(self) -> TopologySpec:
        """The resolved topology that the lab was last brought to.

        Raises LabError for a half-made lab, TopologyError for one of another lvslab version.
        """
        if self._source is None:
            raise LabError(
                f"lab {self.name} is half-made: the network that carries its topology is not there",
                fix="lvslab up completes it, lvslab teardown removes it",
            )
        return topology.from_json(self._source)

    @property
    def directors(self) -> list[Node]:
        """The nodes that run keepalived."""
        return self._of_role("director")

    @property
    def real_servers(self) -> list[Node]:
        """The nodes that run httpd."""
        return self._of_role("real-server")

    @property
    def clients(self) -> list[Node]:
        """The nodes that requests come from."""
        return self._of_role("client")

    def node(self, name: str) -> Node:
        """Return a node. Raises NotFoundError, naming the nodes there are."""
        if name not in self.nodes:
            raise NotFoundError(
                f"lab {self.name} has no node {name!r}", fix=f"there are: {', '.join(self.nodes)}"
            )
        return self.nodes[name]

    def running(self, name: str) -> Node:
        """Return a node that runs. Raises NotFoundError, LabError."""
        node = self.node(name)
        state = node.state()
        if state != "running":
            raise LabError(
                f"does not run: it is {state}",
                where=name,
                fix=f"lvslab heal {name}, or lvslab up, starts it again",
            )
        return node

    def a_client(self) -> Node:
        """Return the first client. Raises NotFoundError, LabError."""
        if not self.clients:
            raise NotFoundError(f"lab {self.name} has no client", fix="give its topology one")
        return self.running(self.clients[0].name)

    def start_node(self, name: str, *, timeout: float = START_TIMEOUT) -> None:
        """Start a node that is not running, and wait until its agent answers: it is set up then.

        Heals a power-off. ``timeout`` in seconds. Raises NotFoundError, NotReadyError, AgentError.
        """
        node = self.node(name)
        state = node.state()
        if state == "paused":
            with asking(f"unpausing {name}"):
                node.container.unpause()
        elif state != "running":
            node.start()
        node.link().request("ping", timeout=timeout)

    def beside(self, name: str, op: Operation) -> float:
        """Do what a fault does outside a node that runs; return when, on the engine's clock.

        Raises NotFoundError, FaultError, LabError, EngineError.
        """
        return run_beside(self.engine, self.running(name).container, name, op)

    def close(self) -> None:
        """Detach from all agents."""
        for node in self.nodes.values():
            node.close()

    def _of_role(self, role: str) -> list[Node]:
        return [n for n in self.nodes.values() if n.role == role]


def node_of(client: docker.DockerClient, found: FoundContainer) -> Node:
    """Return a node from a listing, without asking the engine again."""
    attrs = {
        "Id": found.id,
        "Name": f"/{found.name}",
        "State": {"Status": found.state, "Running": found.state == "running"},
        "Config": {"Labels": dict(found.labels)},
    }
    container = client.containers.prepare_model(attrs)
    return Node(found.node, found.labels.get(labels.ROLE, "?"), container)


def summary(name: str, found: Inventory) -> LabSummary:
    """Return the line of one lab's inventory."""
    carriers = [t.labels for t in reversed(found.things())]
    return LabSummary(
        name=name,
        nodes=len(found.containers),
        running=sum(c.state == "running" for c in found.containers),
        networks=len(found.networks),
        topology=next((c[labels.TOPOLOGY] for c in carriers if labels.TOPOLOGY in c), ""),
        version=next((c[labels.VERSION] for c in carriers if labels.VERSION in c), ""),
    )


def _rank(role: str) -> int:
    return _ROLES.index(role) if role in _ROLES else len(_ROLES)
