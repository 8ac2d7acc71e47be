"""Where the bench measures: folders of its own, the command line, the engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmark.figures import FailedError, Figure, Recorder
from lvslab.engine.embedded import disk as disks
from lvslab.engine.embedded import toolbox
from lvslab.engine.embedded.manager import Manager
from lvslab.engine.embedded.paths import Paths
from lvslab.engine.embedded.trial import choose_hardware

ROOT = Path(__file__).resolve().parents[2]
DEBIAN = "trixie"
TOPOLOGY = "lvs-dr"
LAB = "bench"


class Bench:
    """The folders, the figures, and the ways to measure."""

    def __init__(self, work: Path, runs: int, console: Console) -> None:
        self.work = work
        self.runs = runs
        self.console = console
        self.figures: dict[str, Figure] = {}
        self.kvm = False
        self.paths = Paths(cache=work / "cache", run=work / "run")
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("LVSLAB_")},
            "LVSLAB_CACHE_DIR": str(self.paths.cache),
            "LVSLAB_RUN_DIR": str(self.paths.run),
            "XDG_STATE_HOME": str(work / "state"),
            "LVSLAB_ENGINE": "embedded",
            **({"LVSLAB_ACCEL": a} if (a := os.environ.get("LVSLAB_ACCEL")) else {}),
        }

    def add(self, key: str, value: float, **about: Any) -> None:
        """Take one value of a figure; ``about`` describes it the first time."""
        if key not in self.figures:
            self.figures[key] = Figure(**about)
        self.figures[key].values.append(value)
        self.console.print(f"  [dim]{self.figures[key].what}: {value:.2f}[/]")

    def manager(self, progress: Recorder) -> Manager:
        """Return a manager of the bench's own folders."""
        return Manager(progress, self.paths)

    def timed(self, *argv: str, cwd: Path | None = None) -> float:
        """Run a command to its end; returns seconds. Raises FailedError with what it said."""
        began = time.monotonic()
        done = subprocess.run(
            argv, cwd=cwd, env=self.env, capture_output=True, text=True, check=False
        )
        took = time.monotonic() - began
        if done.returncode != 0:
            words = (done.stdout + done.stderr)[-1500:]
            raise FailedError(f"{' '.join(argv[-3:])} ended with {done.returncode}:\n{words}")
        return took

    def lvslab(self, *words: str) -> float:
        """Run lvslab as a user does; returns seconds."""
        return self.timed(sys.executable, "-m", "lvslab", *words, cwd=self.work)

    def forget_states(self) -> None:
        """Delete the saved states of the bench's own cache."""
        self.manager(Recorder()).clean(everything=False)

    def memory(self) -> float:
        """Return the resident memory of the one machine that runs, in MiB."""
        (one,) = [m for m in self.manager(Recorder()).machines() if m.running]
        return one.rss / 2**20

    def link_engine(self) -> None:
        """Put the user's built engine into the bench's cache, building it first if need be.

        Whether KVM works is tried here, once, so that it is in no figure.
        """
        theirs = Manager(Recorder())
        tools, disk = theirs.build(DEBIAN)
        self.paths.cache.mkdir(mode=0o700, parents=True)
        for kind, material in (("tools", toolbox.material()), ("disk", disks.material(DEBIAN))):
            found = theirs.cache.find(kind, material)
            assert found is not None, f"{kind} was built a moment ago"
            shutil.copytree(
                found.path, self.paths.cache / found.path.name, symlinks=True, copy_function=_link
            )
        self.kvm = choose_hardware(tools, disk, self.paths.cache, Recorder()).accel == "kvm"

    def stop_all(self) -> None:
        """End every machine of the bench."""
        manager = self.manager(Recorder())
        for machine in manager.machines():
            manager.stop(machine.name)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
