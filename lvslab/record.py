"""What this user's lvslab remembers of its labs: on which engine each is, and its nodes.

A hint and no more: it lets ``lvslab status`` find the engine and the shell complete names
without asking any engine. What exists is what the engine's labels say.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from lvslab.resources import state_dir

#: What may be said of the engine that is wanted (lvslab.engine.select).
Choice = Literal["auto", "docker", "embedded"]


@dataclass(frozen=True, slots=True)
class Record:
    """One lab that ``up`` was called for and ``teardown`` not yet."""

    lab: str
    #: ``docker`` or ``embedded``.
    engine: str
    #: The URL of the engine's Docker API when the lab was made.
    docker_host: str
    #: Where the topology was read from; it may be gone since.
    topology: str
    #: Node name -> role.
    nodes: Mapping[str, str] = field(default_factory=dict)


def _folder() -> Path:
    return state_dir() / "labs"


def save(record: Record) -> None:
    """Write a record, whole or not at all. Raises OSError."""
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".tmp", delete=False) as file:
        json.dump(asdict(record), file)
    Path(file.name).replace(folder / f"{record.lab}.json")


def forget(lab: str) -> None:
    """Remove a lab's record, if there is one. Raises OSError."""
    (_folder() / f"{lab}.json").unlink(missing_ok=True)


def load_all() -> dict[str, Record]:
    """Return every readable record by lab name; a damaged one counts as absent."""
    try:
        paths = sorted(p for p in _folder().iterdir() if p.suffix == ".json")
    except OSError:
        return {}
    found = (_load(path) for path in paths)
    return {record.lab: record for record in found if record}


def engine_for(choice: Choice, lab: str) -> Choice:
    """Return the engine to look for a lab on: an explicit choice, else where it was made."""
    known = load_all().get(lab) if choice == "auto" else None
    made_on: dict[str, Choice] = {one: one for one in get_args(Choice)}
    return choice if known is None else made_on.get(known.engine, choice)


def _load(path: Path) -> Record | None:
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        record = Record(**raw)
    except (OSError, ValueError, TypeError):
        return None
    return record if f"{record.lab}.json" == path.name else None
