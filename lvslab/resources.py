"""Where files are: those that ship with lvslab, and those that it writes for this user."""

from __future__ import annotations

import os
from pathlib import Path

from lvslab.errors import NotFoundError

_PACKAGE = Path(__file__).resolve().parent


def data_dir(name: str) -> Path:
    """Return the folder ``topologies`` or ``dockerfiles``.

    A checkout's own folder wins over the copy in a wheel, so that editing it has an effect.
    Raises NotFoundError when the installation lacks it.
    """
    for candidate in (_PACKAGE.parent / name, _PACKAGE / "_data" / name):
        if candidate.is_dir() and (candidate.parent.name == "_data" or _is_checkout()):
            return candidate
    raise NotFoundError(
        f"this installation of lvslab has no {name!r} folder", fix="reinstall lvslab from its wheel"
    )


def _is_checkout() -> bool:
    return (_PACKAGE.parent / "pyproject.toml").is_file()


def state_dir() -> Path:
    """Return lvslab's folder below ``$XDG_STATE_HOME`` (XDG Base Directory specification)."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "lvslab"
