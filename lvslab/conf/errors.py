"""What cannot be read at all, and where. Mistakes that can be read past are issues, not errors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lvslab.errors import USAGE, LvslabError, NotFoundError


class ConfError(LvslabError):
    """A keepalived.conf that cannot be read: too large, includes without end, no text."""

    exit_code = USAGE


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a file. ``line`` and ``column`` count from 1, in characters.

    ``end`` is the column after the last character; 0 where that is not known, because the text
    came about by a substitution.
    """

    file: str
    line: int
    column: int
    end: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Issue:
    """Something that keepalived complains about, or takes otherwise than it looks."""

    kind: str
    at: Position
    text: str


#: A keepalived.conf of 65,000 instances has some 10 MB. More is no configuration.
MAX_BYTES = 32 * 1024 * 1024


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes. Raises NotFoundError, ConfError."""
    try:
        if not path.is_file():
            if path.exists():
                raise ConfError("is not a file", where=str(path), fix="name a keepalived.conf")
            raise NotFoundError("no such file", where=str(path), fix="name a keepalived.conf")
        if path.stat().st_size > MAX_BYTES:
            raise ConfError(
                f"has more than {MAX_BYTES} bytes", where=f"{path}:1:1", fix="split it, by include"
            )
        return path.read_bytes()
    except OSError as error:
        raise ConfError(
            f"cannot be read: {error.strerror}", where=str(path), fix="make it readable to you"
        ) from error
