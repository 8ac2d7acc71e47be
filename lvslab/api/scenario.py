"""A scenario in a program: read, looked at, and judged again from a history."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lvslab.api.results import Played
from lvslab.api.topology import Topology
from lvslab.errors import TopologyError
from lvslab.scenario import history as histories
from lvslab.scenario import library
from lvslab.scenario.load import load
from lvslab.scenario.spec import ScenarioSpec
from lvslab.topology.yamltree import parse

if TYPE_CHECKING:
    from lvslab.topology.spec import TopologySpec


class Scenario:
    """Faults on a schedule, and what is expected of them. Made by :meth:`load`."""

    def __init__(self, spec: ScenarioSpec, path: Path) -> None:
        #: The scenario with every blank filled in.
        self.spec = spec
        #: The file that it was read from.
        self.path = path

    @classmethod
    def load(cls, where: str | Path) -> Scenario:
        """Read a file; or, by its bare name, a scenario that ships with lvslab.

        Raises NotFoundError, and TopologyError with everything that is wrong in it.
        """
        found = library.find([str(where)])
        if len(found) != 1:
            raise TopologyError(
                f"a folder with {len(found)} scenarios", where=str(where), fix="name one of them"
            )
        return cls(load(found[0]), found[0])

    @staticmethod
    def history(path: str | Path) -> Played:
        """Read what was saved of a run, and judge it anew. Raises NotFoundError, TimelineError."""
        return Played.of(histories.load(Path(path)))

    @staticmethod
    def shipped() -> list[str]:
        """Return the names of those that ship with lvslab."""
        return list(library.shipped())

    @property
    def name(self) -> str:
        """Its name."""
        return self.spec.name

    @property
    def title(self) -> str:
        """What it is about, in a line."""
        return self.spec.title

    @property
    def teaches(self) -> str:
        """What it teaches, in some sentences."""
        return self.spec.teaches

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags."""
        return self.spec.tags

    @property
    def expect(self) -> list[str]:
        """What is expected, as it was written."""
        return [sentence.text for sentence in self.spec.expect]

    @property
    def topology(self) -> Topology:
        """The one that it names, with its changes: what a lab for it is made of."""
        return Topology(self.spec.topology, source=f"{self.name} (scenario)")

    def on(self, topology: TopologySpec) -> ScenarioSpec:
        """Return it read for another topology: targets and expectations must fit that one.

        Raises TopologyError, also for a scenario that changes its topology (``with:``) when that
        is not the topology: what it shows would not be there.
        """
        if _same(topology, self.spec.topology):
            return load(self.path, topology=topology)
        if parse(self.spec.source, str(self.path)).root.value.get("with"):
            raise TopologyError(
                f"{self.name} is about a topology that it changes itself ('with:'), and this "
                "lab is another",
                where=str(self.path),
                fix="play it on a lab of its own: Lab.up(scenario.topology)",
            )
        return load(self.path, topology=topology)

    def __repr__(self) -> str:
        return f"<Scenario {self.name}: {self.title}>"


def _same(one: TopologySpec, other: TopologySpec) -> bool:
    """Whether two are the same, whatever their labs are called."""
    return _nameless(one) == _nameless(other)


def _nameless(spec: TopologySpec) -> TopologySpec:
    # A network that was given no name has the lab's.
    return replace(spec, name="", network=replace(spec.network, name=""))
