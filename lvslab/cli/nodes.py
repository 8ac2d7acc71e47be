"""Finds a lab's nodes in an engine, by their labels alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lvslab import labels
from lvslab.cli.session import Session
from lvslab.errors import LabError, NotFoundError

if TYPE_CHECKING:
    from docker.models.containers import Container

    from lvslab.engine.base import Engine
    from lvslab.topology.spec import TopologySpec


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a lab on its engine."""

    engine: Engine
    lab: str
    name: str
    container: Container

    @property
    def id(self) -> str:
        """The container's id."""
        return str(self.container.id)


@contextmanager
def opened(s: Session, name: str | None, *, role: str | None = None) -> Iterator[Node]:
    """Open the engine of the lab and yield one running node of it.

    ``name`` None is the first node of that role. Raises NotFoundError when there is no such
    lab or node, LabError when it does not run, EngineError without an engine.
    """
    lab = s.lab_name()
    with s.engine(lab) as engine:
        yield find(engine, lab, name, role=role)


def find(engine: Engine, lab: str, name: str | None, *, role: str | None = None) -> Node:
    """Return one running node of a lab; see :func:`opened`."""
    there: dict[str, Container] = {
        c.labels[labels.NODE]: c
        for c in engine.client.containers.list(all=True, filters={**labels.of_lab(lab)})
        if labels.NODE in c.labels
    }
    if not there:
        raise NotFoundError(
            f"lab {lab!r} is not on this engine", fix="lvslab list shows the labs there are"
        )
    fitting = sorted(n for n, c in there.items() if role in (None, c.labels.get(labels.ROLE)))
    if name is None and not fitting:
        raise NotFoundError(f"lab {lab!r} has no {role}")
    chosen = name or fitting[0]
    if chosen not in fitting:
        what = f"has no {role} {chosen!r}" if role else f"has no node {chosen!r}"
        raise NotFoundError(f"lab {lab!r} {what}", fix=f"there are: {', '.join(fitting)}")
    container = there[chosen]
    if container.status != "running":
        raise LabError(
            f"node {chosen} does not run: it is {container.status}",
            fix=f"lvslab heal {chosen}, or lvslab up, starts it again",
        )
    return Node(engine, lab, chosen, container)


def spec_of(engine: Engine, lab: str) -> TopologySpec:
    """Return the topology that a lab was made from, as its network's label has it.

    Raises NotFoundError when there is no such lab, TopologyError when the label is not ours.
    """
    from lvslab.topology import from_json

    for network in engine.client.networks.list(filters={**labels.of_lab(lab)}):
        source = (network.attrs.get("Labels") or {}).get(labels.SOURCE)
        if source:
            return from_json(source)
    raise NotFoundError(
        f"lab {lab!r} is not on this engine", fix="lvslab list shows the labs there are"
    )
