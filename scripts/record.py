#!/usr/bin/env python3
"""Record a command of lvslab as it looks on a terminal, as an SVG: real output, nothing else.

    lvslab up && scripts/record.py docs/failover.svg -- lvslab fail lvs1 --for 15s

The command runs on a pseudo terminal of its own; what it writes to stdout is what is drawn
(progress, on stderr, is not).
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import io
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

#: Fonts that are there instead of one that is fetched; and blanks are blanks, in every viewer.
FORMAT = (
    re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    .replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")
    .replace("<svg ", '<svg xml:space="preserve" ', 1)
)


def run(argv: list[str], columns: int) -> str:
    """Run a command on a terminal of so many columns and return all that it wrote there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    env = {**os.environ, "TERM": "xterm-256color"}
    for name in ("COLUMNS", "NO_COLOR"):
        env.pop(name, None)
    written = bytearray()
    process = subprocess.Popen(argv, stdout=theirs, stderr=subprocess.DEVNULL, env=env)
    os.close(theirs)
    with contextlib.suppress(OSError):  # the terminal's other end was closed: it has ended
        while data := os.read(ours, 65536):
            written += data
    os.close(ours)
    code = process.wait()
    if code not in (0, 1):
        sys.exit(f"{shlex.join(argv)} ended with {code}")
    return written.decode().replace("\r\n", "\n")


def main() -> None:
    """Record, and write the SVG."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("svg", type=Path)
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    console = Console(record=True, width=given.columns, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "bold green"), (shlex.join(given.command), "bold")))
    console.print(Text.from_ansi(run(given.command, given.columns)))
    svg = console.export_svg(title="lvslab", theme=MONOKAI, code_format=FORMAT, unique_id="lvslab")
    given.svg.write_text(svg)


if __name__ == "__main__":
    main()
