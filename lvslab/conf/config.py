"""A configuration, read: its files, its tree, and what was noticed while reading it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lvslab.conf.errors import Issue, Position, read_bytes
from lvslab.conf.lexer import Document
from lvslab.conf.models import View
from lvslab.conf.preprocess import Limits, expand
from lvslab.conf.tree import Node, build
from lvslab.conf.view import view_of


@dataclass(frozen=True)
class Config:
    """One director's configuration."""

    document: Document
    #: Every file that was read, by the name that positions have.
    files: dict[str, Document]
    root: Node
    issues: tuple[Issue, ...]

    @cached_property
    def view(self) -> View:
        """What it means: instances, virtual servers, checks, defaults filled in."""
        return view_of(self.root)

    def source(self, at: Position) -> str:
        """Return the line that a position is in."""
        document = self.files.get(at.file)
        return document.line(at.line) if document else ""


def load(path: Path, *, config_id: str | None = None, limits: Limits | None = None) -> Config:
    """Read a file and what it includes. Raises NotFoundError, ConfError."""
    document = Document.of(str(path), read_bytes(path))
    return _load(document, path.resolve().parent, config_id, limits)


def load_all(
    paths: Sequence[Path], *, config_id: str | None = None, limits: Limits | None = None
) -> Config:
    """Read several files as one configuration, as if one more file included them in this order.

    Raises NotFoundError, ConfError.
    """
    if len(paths) == 1:
        return load(paths[0], config_id=config_id, limits=limits)
    for path in paths:
        # One that is not there is an error, and no include that keepalived would only log.
        read_bytes(path)
    text = "".join(f"include {path}\n" for path in paths)
    return load_text(text, ", ".join(map(str, paths)), config_id=config_id, limits=limits)


def load_text(
    text: str | bytes,
    name: str = "<text>",
    *,
    config_id: str | None = None,
    limits: Limits | None = None,
    folder: Path | None = None,
) -> Config:
    """Read a configuration that is in memory. Raises ConfError."""
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return _load(Document.of(name, data), folder or Path(), config_id, limits)


def _load(document: Document, folder: Path, config_id: str | None, limits: Limits | None) -> Config:
    expanded = expand(document, folder=folder, config_id=config_id, limits=limits)
    issues = expanded.issues
    root = build(expanded.lines, issues)
    return Config(document, expanded.files, root, tuple(issues))
