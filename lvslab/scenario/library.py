"""Scenarios by name: files, and those that ship with lvslab."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lvslab.errors import LvslabError, NotFoundError
from lvslab.resources import data_dir
from lvslab.scenario.load import load
from lvslab.scenario.spec import ScenarioSpec
from lvslab.topology import TopologyProblems
from lvslab.topology.problems import Problem, did_you_mean

_ENDINGS = (".yaml", ".yml")


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
            inside = sorted(p for p in path.iterdir() if p.suffix in _ENDINGS)
            if not inside:
                raise NotFoundError(
                    "no scenario is in this folder", where=name, fix="they end with .yaml"
                )
            found += inside
        elif path.suffix in _ENDINGS or path.exists():
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
    named: dict[str, Path] = {}
    for path in paths:
        try:
            spec = load(path, topology=topology, lab=lab)
            first = named.setdefault(spec.name, path)
            if first != path:
                # One would be written over the other's history.
                what = f"a scenario that is called {spec.name!r} too, as the one in {first}"
                problems.append(Problem(1, 1, what, "give one another 'name'", str(path)))
            specs.append(spec)
        except TopologyProblems as error:
            problems += error.problems
        except LvslabError as error:
            others.append(error)
    if problems:
        raise TopologyProblems(problems)
    if others:
        raise others[0]
    return specs
