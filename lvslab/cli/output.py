"""What goes to the terminal: tables and text for people, JSON for programs, the last line."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from lvslab.cli.highlight import THEME, report_line

#: Tables wrap at this many columns when stdout is not a terminal.
PIPE_WIDTH = 120


class Output:
    """Where a verb says its results.

    With ``as_json`` only :meth:`data` writes to stdout, and exactly one document; all that is
    meant for people is dropped. Warnings and errors go to stderr either way.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        #: Whether what is meant for people is shown on stdout.
        self.tells = not (as_json or quiet)
        width = None if sys.stdout.isatty() else PIPE_WIDTH
        self.console = Console(width=width, highlight=False, soft_wrap=False, theme=THEME)
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)

    def data(self, value: object) -> None:
        """Write ``value`` as the one JSON document; nothing without ``--json``."""
        if self.as_json:
            sys.stdout.write(to_json(value) + "\n")

    def stream(self, value: object) -> None:
        """Write one event as one line of JSON (for verbs that tell as it happens)."""
        if self.as_json:
            sys.stdout.write(to_json(value, indent=None) + "\n")
            sys.stdout.flush()

    def text(self, markup: str = "") -> None:
        """Write a line of rich markup; nothing with ``--json``."""
        if self.tells:
            self.console.print(markup, soft_wrap=True)

    def line(self, text: str, style: str = "") -> None:
        """Write a line as it is, without markup; nothing with ``--json``."""
        if self.tells:
            self.console.print(Text(text, style), soft_wrap=True)

    def reading(self, text: str) -> None:
        """Write a line of a report; on a terminal in colours and wrapped. Not with ``--json``."""
        if self.tells:
            width = self.console.width if self.console.is_terminal else None
            self.console.print(report_line(text, width), soft_wrap=True)
            self.console.file.flush()

    def raw(self, text: str) -> None:
        """Write text exactly as it is (file contents, schema), with or without ``--json``."""
        sys.stdout.write(text if text.endswith("\n") else text + "\n")

    def show(self, renderable: RenderableType) -> None:
        """Write a table, panel or tree; nothing with ``--json``."""
        if self.tells:
            self.console.print(renderable)

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = ""
    ) -> None:
        """Write a plain table. Cells are shown as they are: no markup is read in them."""
        if not self.tells:
            return
        table = Table(*columns, title=title or None, title_justify="left", box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(Text(cell_text(cell)) for cell in row))
        self.console.print(table)

    def warn(self, text: str) -> None:
        """Write a warning to stderr."""
        self.err.print(Text.assemble(("warning:", "yellow"), " ", text))

    def next(self, *commands: str) -> None:
        """Write the last line: what one can do now."""
        if commands:
            joined = "   ".join(f"[cyan]{escape(c)}[/]" for c in commands)
            self.text(f"[bold]next:[/] {joined}")


def cell_text(cell: object) -> str:
    """Return one table cell: ``-`` for nothing, yes/no for a truth, joined for a list."""
    if cell is None or cell == "":
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, (list, tuple, set, frozenset)):
        return ", ".join(cell_text(c) for c in cell) or "-"
    return str(cell)


def to_json(value: object, *, indent: int | None = 2) -> str:
    """Return ``value`` as JSON: dataclasses as objects, addresses and paths as strings.

    Key order is that of the fields, so the same value gives the same text. Raises TypeError
    for what has no obvious JSON form.
    """
    return json.dumps(_plain(value), indent=indent, ensure_ascii=False)


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, (IPv4Address, IPv4Interface, IPv4Network, Path)):
        return str(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(v) for v in value)  # type: ignore[type-var]
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"no JSON form for {type(value).__name__}")
