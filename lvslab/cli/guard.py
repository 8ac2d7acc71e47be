"""How a verb ends: every error becomes a message and an exit code, never a traceback."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from lvslab import __version__
from lvslab.cli.output import Output
from lvslab.errors import LvslabError
from lvslab.resources import state_dir

CANCELLED = 130
BUG = 70
#: As a shell reports a program that SIGPIPE ended (128 + 13).
PIPE_CLOSED = 141


def guarded(run: Callable[[], int | None], out: Output) -> int:
    """Run a verb and return its exit code; say on stderr what went wrong, if it did."""
    try:
        code = run() or 0
        sys.stdout.flush()
    except LvslabError as error:
        tell(error, out.err)
        return error.exit_code
    except KeyboardInterrupt:
        out.err.print("[yellow]cancelled[/]")
        return CANCELLED
    except BrokenPipeError:
        # The reader has gone: give Python's own flush at exit somewhere to write to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except typer.BadParameter:
        raise  # typer says it, with how the verb is used, and ends with 2
    except Exception as error:  # noqa: BLE001  the one place where a bug becomes a message
        tell_bug(error, out.err)
        return BUG
    return code


def tell(error: LvslabError, err: Console) -> None:
    """Print an error: where and what, then what to do next."""
    where = (f"{error.where}:", "bold") if error.where else ""
    # Of several lines each but the last is a place and a problem, as compilers write them.
    *places, last = error.what.splitlines() or [""]
    for line in places:
        err.print(Text(line))
    err.print(Text.assemble(("error:", "bold red"), " ", where, " " if where else "", last))
    if error.fix:
        for line in error.fix.splitlines():
            err.print(Text(f"  {line}", "cyan"))


def tell_bug(error: Exception, err: Console) -> None:
    """Print that lvslab itself is wrong, and where the traceback was put."""
    kind = type(error).__name__
    err.print(f"[bold red]this is a bug in lvslab:[/] {kind}: {escape(str(error))}")
    try:
        path = save_traceback(error)
    except OSError as no_file:
        err.print(f"  its traceback could not be saved: {escape(str(no_file))}")
    else:
        err.print(f"  [cyan]please report it with the file {escape(str(path))}[/]")


def save_traceback(error: BaseException) -> Path:
    """Write the traceback below the XDG state folder and return the file. Raises OSError."""
    folder = state_dir() / "bugs"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    head = f"lvslab {__version__}, Python {sys.version.split()[0]}, {sys.platform}\n"
    command = f"command: {' '.join(sys.argv)}\n\n"
    path.write_text(head + command + "".join(traceback.format_exception(error)), encoding="utf-8")
    return path
