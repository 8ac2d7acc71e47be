"""Where the embedded engine keeps things: caches that can be rebuilt, and running machines."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from lvslab.errors import EngineError

#: sockaddr_un.sun_path holds 108 bytes with its NUL (unix(7)).
SUN_PATH_MAX = 107
_LONGEST_SOCKET = "tunnel.sock"


@dataclass(frozen=True, slots=True)
class Paths:
    """The two roots. ``cache`` may be deleted at any time; ``run`` holds live machines."""

    cache: Path
    run: Path

    def machine(self, name: str) -> Path:
        """Return the folder of one machine. Raises EngineError when no socket fits into it."""
        if not re.fullmatch(r"[a-z0-9A-Z][a-zA-Z0-9_.-]{0,62}", name):
            raise EngineError(
                f"{name!r} cannot name a machine",
                fix="use letters, digits, '-', '_' and '.', at most 63 of them",
            )
        folder = self.run / name
        if len(os.fsencode(folder / _LONGEST_SOCKET)) > SUN_PATH_MAX:
            raise EngineError(
                f"the path {folder} is too long for a unix socket in it",
                fix="set LVSLAB_RUN_DIR to a folder with a short path",
            )
        return folder


def default_paths(env: dict[str, str] | None = None) -> Paths:
    """Return the XDG folders: LVSLAB_CACHE_DIR / LVSLAB_RUN_DIR win over the XDG defaults."""
    e = os.environ if env is None else env
    home = Path(e.get("HOME") or Path.home())
    cache = e.get("LVSLAB_CACHE_DIR") or _xdg(e.get("XDG_CACHE_HOME"), home / ".cache")
    run = e.get("LVSLAB_RUN_DIR") or _xdg(e.get("XDG_STATE_HOME"), home / ".local/state") + "/run"
    return Paths(cache=Path(cache).absolute(), run=Path(run).absolute())


def _xdg(value: str | None, default: Path) -> str:
    # The XDG base directory specification: a relative value is invalid and to be ignored.
    base = value if value and Path(value).is_absolute() else str(default)
    return base + "/lvslab"


def private_dir(path: Path) -> Path:
    """Create a folder with mode 0700, or insist that an existing one is ours and private."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    stat = path.stat()
    if stat.st_uid != os.geteuid():
        raise EngineError(
            f"{path} belongs to another user (uid {stat.st_uid})",
            fix="set LVSLAB_RUN_DIR and LVSLAB_CACHE_DIR to folders of your own",
        )
    if stat.st_mode & 0o077:
        path.chmod(0o700)
    return path
