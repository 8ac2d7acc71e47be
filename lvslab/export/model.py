"""What an export is: files, and for whom. Pure: no disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from lvslab.errors import LvslabError
from lvslab.plan.render import INSIDE_INTERFACE, INTERFACE
from lvslab.templates import templates


class ExportError(LvslabError):
    """A topology that cannot be exported, or a folder that cannot take it."""


@dataclass(frozen=True, slots=True)
class Links:
    """What the machines call their interfaces."""

    #: The one that each machine has; with NAT, the clients' side of a director.
    first: str = INTERFACE
    #: With NAT, the real servers' side of a director.
    inside: str = INSIDE_INTERFACE


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One file of an export; ``path`` is relative to its folder."""

    path: PurePosixPath
    content: str
    mode: int = 0o644


def exported(path: str, content: str, mode: int = 0o644) -> ExportedFile:
    """Return a file of an export, its text ending in one newline."""
    return ExportedFile(PurePosixPath(path), content.rstrip("\n") + "\n", mode)


def rendered(template: str, **values: Any) -> str:
    """Return a template of this package with its values filled in."""
    return templates("lvslab.export").get_template(template).render(**values)
