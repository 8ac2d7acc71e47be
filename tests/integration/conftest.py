"""A real engine for real labs: the embedded one, in folders of this test run's own.

The cache of built engines is the user's (a build takes a minute); machines, records and states
live in a folder of the run and end with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lvslab import topology
from lvslab.engine.embedded.manager import Manager
from lvslab.engine.select import machine_name, start_engine
from lvslab.lab import Lab, up
from lvslab.plan import agent_files, make_plan
from lvslab.progress import Silent

Cli = Callable[..., "subprocess.CompletedProcess[str]"]
#: Seconds for one command of the command line; a first build of the engine is in none of them.
COMMAND = 240


@pytest.fixture(scope="session", autouse=True)
def own_folders() -> Iterator[Path]:
    """Machines and records of this run, apart from the user's; the path is short for sockets."""
    # A shell's background job ignores SIGINT, and so would every lvslab that a test interrupts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="lvslab-") as folder:
        wanted = {
            "LVSLAB_RUN_DIR": f"{folder}/run",
            "XDG_STATE_HOME": f"{folder}/state",
            # More than a user has: a lab that one module saved is restored by the others.
            "LVSLAB_STATES_KEPT": "20",
        }
        before = {name: os.environ.get(name) for name in (*wanted, "LVSLAB_ENGINE", "LVSLAB_LAB")}
        os.environ.update(wanted)
        os.environ.pop("LVSLAB_ENGINE", None)
        os.environ.pop("LVSLAB_LAB", None)
        try:
            yield Path(folder)
        finally:
            manager = Manager(Silent())
            for machine in manager.machines():
                manager.stop(machine.name)
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


@pytest.fixture(scope="session")
def built(own_folders: Path) -> None:
    """The engine's disk with trixie nodes is in the cache."""
    Manager(Silent()).build("trixie")


def _lvslab(folder: Path) -> Cli:
    """Return what runs lvslab as its users do, from a folder that is not the checkout."""

    def run(
        *words: str, check: bool = True, timeout: float = COMMAND, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "lvslab", *words],
            cwd=folder,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        if check:
            assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    return run


@pytest.fixture
def cli(built: None, tmp_path: Path) -> Cli:
    """Run lvslab as its users do, from a folder that is not the checkout."""
    return _lvslab(tmp_path)


@pytest.fixture(scope="module")
def module_cli(built: None, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The same, for fixtures that last as long as their module."""
    return _lvslab(tmp_path_factory.mktemp("cli"))


def bring_up(name: str | Path, lab: str) -> Lab:
    """Bring a topology up on the embedded engine: a shipped one, restored where it was saved.

    One of a test's own, in a file, is not saved: it would stay in the cache for nothing.
    """
    path = name if isinstance(name, Path) else topology.builtin(name)
    assert path is not None
    spec = topology.load(path, name=lab)
    plan = make_plan(spec, lab, agent_files=agent_files())
    opened = start_engine("embedded", lab, debian=spec.debian, plan=plan.digest, progress=Silent())
    made = up(opened.engine, plan, progress=Silent())
    if opened.how in ("engine", "boot") and not isinstance(name, Path):
        Manager(Silent()).save_lab(opened.engine, plan.digest)  # type: ignore[arg-type]
    return made


@pytest.fixture
def lab(built: None) -> Iterator[Lab]:
    """The article's lab, proven ready, restored for this one test."""
    made = bring_up("lvs-dr", "dr")
    try:
        yield made
    finally:
        made.close()
        Manager(Silent()).stop(machine_name("dr"))


@pytest.fixture
def fast(built: None) -> Iterator[Lab]:
    """The lab with VRRPv3 adverts each 0.1 s and quick checks, restored for this one test."""
    made = bring_up("lvs-dr-fast", "fast")
    try:
        yield made
    finally:
        made.close()
        Manager(Silent()).stop(machine_name("fast"))
