"""``make bench``: how long everything takes, as a table; JSON and Markdown in bench-results/.

Every figure is the median of --runs runs. What a user waits for is measured as the user sees
it: the command line as a process of its own, from its start to its end. What only happens
within it (boot, save, restore) is measured by the steps that the library itself reports.

The cache of the user is not touched: the engine's disk and tools are linked into a folder of
the bench's own, which is deleted at the end with every machine that was started.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from benchmark import engine_phases, lab_phases
from benchmark.figures import FailedError, Recorder
from benchmark.harness import ROOT, Bench
from benchmark.observing import observing
from benchmark.output import machine, write
from benchmark.overhead import overhead
from lvslab.engine.embedded.manager import Manager
from lvslab.errors import LvslabError

PHASES: dict[str, Callable[[Bench], None]] = {
    "build": engine_phases.build,
    "engine": engine_phases.engine,
    "first": lab_phases.first,
    "restored": lab_phases.restored,
    "overhead": overhead,
    "observing": observing,
    "demo": lab_phases.demo,
    "checks": lab_phases.checks,
}
DEFAULT = ("engine", "first", "restored", "overhead", "observing", "demo", "checks")


def main() -> None:
    """Measure, and write it down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("phases", nargs="*", metavar="PHASE", help=f"of: {', '.join(PHASES)}")
    parser.add_argument("--runs", type=int, default=5, help="how often (default: 5)")
    parser.add_argument("--build", action="store_true", help="build an engine, too (minutes)")
    parser.add_argument("--output", type=Path, default=ROOT / "bench-results", help="a folder")
    given = parser.parse_args()
    # Ended by whatever, no machine is left behind.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    unknown = set(given.phases) - set(PHASES)
    if unknown or given.runs < 1:
        parser.error(f"no phase {', '.join(sorted(unknown))}" if unknown else "at least one run")
    wanted = [*(["build"] if given.build else []), *(given.phases or DEFAULT)]
    console = Console(width=None if sys.stdout.isatty() else 110)
    # Beside the user's cache, so that the engine can be linked; a short path, for sockets.
    beside = Manager(Recorder()).paths.cache.parent
    beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lvslab-bench-", dir=beside) as folder:
        b = Bench(Path(folder), given.runs, console)
        load = os.getloadavg()[0]
        b.link_engine()
        failed = []
        try:
            for name in dict.fromkeys(wanted):
                console.print(f"[bold]{name}[/]: {(PHASES[name].__doc__ or '').splitlines()[0]}")
                try:
                    PHASES[name](b)
                except (FailedError, LvslabError) as error:
                    # What the other phases say is worth having all the same.
                    console.print(f"[red]{name} was given up:[/] {escape(str(error))}")
                    failed.append(name)
                    b.stop_all()
        finally:
            b.stop_all()
            if b.figures:
                write(b, machine(b, load), given.output, console)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
