"""A file that a verb makes for its user, and does not write over another."""

from __future__ import annotations

from pathlib import Path

from lvslab.errors import USAGE, LvslabError


class NotWrittenError(LvslabError):
    """The new file cannot be written there."""

    exit_code = USAGE


def write_new(file: Path, text: str, *, force: bool) -> None:
    """Write a new file; ``force`` overwrites one. Raises NotWrittenError."""
    try:
        with file.open("w" if force else "x", encoding="utf-8") as target:
            target.write(text)
    except FileExistsError as error:
        raise NotWrittenError(
            "is there already", where=str(file), fix="overwrite it with --force"
        ) from error
    except OSError as error:
        raise NotWrittenError(
            f"cannot be written: {error.strerror}", where=str(file), fix="give another file"
        ) from error
