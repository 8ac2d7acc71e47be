"""Which topology is meant: a file, one that ships with lvslab, or the one of this folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lvslab.cli import complete
from lvslab.errors import NotFoundError

if TYPE_CHECKING:
    from lvslab.plan.model import Plan
    from lvslab.topology.spec import TopologySpec

HERE = Path("lvslab.yaml")
DEFAULT = "lvs-dr"

TopologyArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[TOPOLOGY]",
        autocompletion=complete.topologies,
        help=f"A file, or the name of one that ships with lvslab; without it ./{HERE}, "
        f"or else {DEFAULT}.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A topology that was read, and which one it was."""

    spec: TopologySpec
    path: Path
    #: For the user: "lvslab.yaml", "lvs-dr (ships with lvslab)".
    title: str


def choose(argument: str | None, *, lab: str | None = None) -> Chosen:
    """Read the topology that is meant; ``lab`` overrides the name it gives itself.

    Raises NotFoundError, TopologyError.
    """
    from lvslab import topology

    if argument is None:
        argument = str(HERE) if HERE.exists() else DEFAULT
    path = Path(argument)
    if not path.exists() and path.name == argument and not path.suffix:
        shipped = topology.builtins()
        if argument not in shipped:
            raise NotFoundError(
                f"no file and no topology is called {argument!r}",
                fix=f"give a file, or one of: {', '.join(shipped)}",
            )
        path = shipped[argument]
        return Chosen(topology.load(path, name=lab), path, f"{argument} (ships with lvslab)")
    return Chosen(topology.load(path, name=lab), path, argument)


def plan_of(spec: TopologySpec) -> Plan:
    """Return the plan of a topology, for the lab of its name."""
    from lvslab.plan import agent_files, make_plan

    return make_plan(spec, spec.name, agent_files=agent_files())
