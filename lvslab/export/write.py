"""The files of an export on the disk."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lvslab.export.model import ExportedFile, ExportError


def write(files: Iterable[ExportedFile], folder: Path, *, force: bool = False) -> None:
    """Write files below a folder, which is made.

    Raises ExportError when something is in it (``force`` writes over what has the same name,
    and leaves the rest), or when it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not force and any(folder.iterdir()):
            raise ExportError(
                "there are files in it already",
                where=str(folder),
                fix="give another folder with -o, or write into this one with --force",
            )
        for file in files:
            path = folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.content, encoding="utf-8")
            path.chmod(file.mode)
    except OSError as error:
        raise ExportError(
            f"cannot be written: {error.strerror}",
            where=str(error.filename or folder),
            fix="give another folder with -o",
        ) from error
