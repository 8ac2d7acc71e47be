"""All nodes' events in one queue, and the engine's clock as far as this machine can know it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from lvslab.errors import LabError
from lvslab.faults.model import Operation
from lvslab.timeline.events import Event
from lvslab.topology.spec import TopologySpec

if TYPE_CHECKING:
    from lvslab.observe.link import AgentLink


class Node(Protocol):
    """What is needed of a lab's node."""

    def link(self) -> AgentLink:
        """Return a link to the node's agent. Raises AgentError when it is not running."""


class Lab(Protocol):
    """What is needed of a lab (lvslab.lab)."""

    @property
    def spec(self) -> TopologySpec:
        """The resolved topology."""

    @property
    def nodes(self) -> Mapping[str, Node]:
        """The nodes by name."""

    def start_node(self, name: str) -> object:
        """Start a node's container if it is not running, and wait until its agent answers."""

    def beside(self, name: str, op: Operation) -> float:
        """Do what a fault does outside a node; return when, on the engine's clock."""


class Collector:
    """The events of every node that is followed, in the order of their arrival."""

    def __init__(self) -> None:
        # Here, not above: everything of a timeline can be used where docker is not installed.
        from lvslab.observe.link import Subscription

        self._subscription = Subscription()
        self._may_end: set[str] = set()
        self._offset: float | None = None

    def follow(self, link: AgentLink) -> None:
        """Hear a node's events from now on (again, when its agent is a new one)."""
        self._subscription.add(link)

    def expect_end(self, node: str) -> None:
        """Do not take the end of this node's events for an error."""
        self._may_end.add(node)

    def next(self, timeout: float) -> Event | None:
        """Return the next event, or None after ``timeout`` seconds without one.

        Raises AgentError when an agent is gone that was not expected to go.
        """
        try:
            line = self._subscription.get(timeout)
        except LabError as error:
            if error.where in self._may_end:
                return None
            raise
        if line is None:
            return None
        event = Event.from_agent(line, f"agent of {line.get('node', '?')}")
        # The probe holds its results back for a moment, so the least delay seen counts.
        delay = time.monotonic() - event.t
        if self._offset is None or delay < self._offset:
            self._offset = delay
        return event

    def engine_now(self) -> float | None:
        """Return the engine's clock now, as near as can be known; None before any event.

        Late by the quickest delivery seen. For scheduling only: no figure is made from it.
        """
        return None if self._offset is None else time.monotonic() - self._offset

    def close(self) -> None:
        """Stop listening."""
        self._subscription.close()
