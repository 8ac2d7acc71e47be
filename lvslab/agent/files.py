"""Files that a fault changes: written whole, and put back exactly."""

from __future__ import annotations

import os
import stat

#: Of a file that was not there.
_MODE = 0o644


def read(path: str) -> str | None:
    """Return a text file's content; None when there is none. Raises OSError, ValueError."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def write(path: str, content: str | None) -> None:
    """Write a file at once, keeping its mode; None removes it. Raises OSError.

    Renamed into place: whoever reads it sees the old one or the new one. Synced, because a
    journal that says that it was healed must not outlive the healing.
    """
    if content is None:
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        return
    try:
        mode = stat.S_IMODE(os.stat(path).st_mode)
    except FileNotFoundError:
        mode = _MODE
    new = path + ".lvslab"
    with open(new, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
