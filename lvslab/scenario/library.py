"""Scenarios by name: files, and those that ship with lvslab."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lvslab.errors import LvslabError, NotFoundError
from lvslab.resources import data_dir
from lvslab.scenario.load import load
from lvslab.scenario.spec import ScenarioSpec
from lvslab.topology import TopologyProblems
from lvslab.topology.problems import did_you_mean


def shipped() -> dict[str, Path]:
    """Return the file of every scenario that ships with lvslab, by name."""
    return {path.stem: path for path in sorted(data_dir("scenarios").glob("*.yaml"))}


def find(names: Iterable[str]) -> list[Path]:
    """Return the files that are meant: paths, or names of shipped ones. Raises NotFoundError."""
    known = shipped()
    found = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            found += sorted(path.glob("*.yaml"))
        elif path.suffix in (".yaml", ".yml") or path.exists():
            found.append(path)
        elif name in known:
            found.append(known[name])
        else:
            hint = did_you_mean(name, known)
            raise NotFoundError(
                f"no file and no scenario is called {name!r}",
                fix=f"{hint} lvslab test --list shows all".strip(),
            )
    return list(dict.fromkeys(found))


def load_all(
    paths: Iterable[Path], *, topology: Path | None = None, lab: str | None = None
) -> list[ScenarioSpec]:
    """Read scenarios; everything that is wrong in any of them is told at once.

    ``topology`` is used instead of the one that each names. Raises NotFoundError,
    TopologyError, TopologyProblems.
    """
    specs, problems, others = [], [], []
    for path in paths:
        try:
            specs.append(load(path, topology=topology, lab=lab))
        except TopologyProblems as error:
            problems += error.problems
        except LvslabError as error:
            others.append(error)
    if problems:
        raise TopologyProblems(problems)
    if others:
        raise others[0]
    return specs
