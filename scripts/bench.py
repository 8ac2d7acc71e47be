"""``make bench``: how long everything takes, as a table; JSON and Markdown in bench-results/.

Every figure is the median of --runs runs. What a user waits for is measured as the user sees
it: the command line as a process of its own, from its start to its end. What only happens
within it (boot, save, restore) is measured by the steps that the library itself reports.

The cache of the user is not touched: the engine's disk and tools are linked into a folder of
the bench's own, which is deleted at the end with every machine that was started.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from docker.types import IPAMConfig, IPAMPool
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lvslab import __version__, topology
from lvslab.engine.base import Engine
from lvslab.engine.embedded import disk as disks
from lvslab.engine.embedded import toolbox
from lvslab.engine.embedded.cache import Entry
from lvslab.engine.embedded.engine import EmbeddedEngine
from lvslab.engine.embedded.manager import Manager
from lvslab.engine.embedded.paths import Paths
from lvslab.engine.embedded.trial import choose_hardware
from lvslab.engine.images import node_image_ref
from lvslab.errors import LvslabError
from lvslab.lab import Lab, teardown, up
from lvslab.plan import agent_files, make_plan
from lvslab.plan.model import NodePlan, Plan

ROOT = Path(__file__).resolve().parent.parent
DEBIAN = "trixie"
TOPOLOGY = "lvs-dr"
LAB = "bench"


class FailedError(Exception):
    """Something that is measured does not work."""


@dataclass
class Figure:
    """One line of the table: what was measured, each time, and what is to be reached."""

    what: str
    unit: str = "s"
    target: float | None = None
    note: str = ""
    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle one of the values."""
        return statistics.median(self.values)

    def cells(self) -> tuple[str, ...]:
        """Return the row of the table, in the order of _COLUMNS."""
        digits = 0 if self.unit == "MiB" else 2
        numbers = (self.median, min(self.values), max(self.values))
        shown = [f"{value:.{digits}f} {self.unit}" for value in numbers]
        target = "" if self.target is None else f"≤ {self.target:g} {self.unit}"
        return (self.what, *shown, str(len(self.values)), target)


class Recorder:
    """A progress that keeps how long each step took, in seconds."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, float]] = []
        self._lock = threading.Lock()

    @contextmanager
    def step(self, what: str) -> Iterator[Recorder]:
        """See lvslab.progress.Progress.step."""
        began = time.monotonic()
        yield self
        with self._lock:
            self.steps.append((what, time.monotonic() - began))

    def note(self, text: str) -> None:
        """Nobody reads it."""
        del text

    def take(self, beginning: str) -> float:
        """Return the time of the latest step of which the name begins so."""
        return next(took for what, took in reversed(self.steps) if what.startswith(beginning))


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


# -- the phases ---------------------------------------------------------------------------


def build(b: Bench) -> None:
    """Build the engine from Debian packages, in an empty cache; once."""
    empty = Paths(cache=b.work / "empty", run=b.work / "run")
    recorder = Recorder()
    began = time.monotonic()
    Manager(recorder, empty).build(DEBIAN)
    about = {"what": "engine built from Debian packages (once)"}
    b.add("engine build", time.monotonic() - began, **about)
    for what, took in recorder.steps:
        b.add(f"engine build: {what}", took, what=f"  {what}")
    entries: list[Entry] = Manager(recorder, empty).cache.entries()
    for one in entries:
        b.add(f"size {one.kind}", one.size() / 2**20, what=f"  {one.kind} on disk", unit="MiB")
    shutil.rmtree(empty.cache)


def engine(b: Bench) -> None:
    """Boot, save and restore the engine with nothing in it."""
    for _ in range(b.runs):
        b.forget_states()
        recorder = Recorder()
        _started(b, recorder)
        b.stop_all()
        b.add("boot", recorder.take("booting"), what="cold boot to an answering Docker API")
        b.add("save idle", recorder.take("saving"), what="saving the idle engine")
    for _ in range(b.runs):
        recorder = Recorder()
        _started(b, recorder)
        took = recorder.take("restoring")
        b.add("restore idle", took, what="restoring the idle engine to an answering API")
        b.add("rss idle", b.memory(), what="memory of QEMU, idle engine restored", unit="MiB")
        b.stop_all()


def _started(b: Bench, recorder: Recorder) -> EmbeddedEngine:
    made, _ = b.manager(recorder).start("bench", debian=DEBIAN)
    made.close()
    return made


_DOWN: dict[str, Any] = {"what": "lvslab teardown", "target": 1.0}


def first(b: Bench) -> None:
    """Bring the lab up as a user does, on a built engine without saved states."""
    for _ in range(b.runs):
        b.forget_states()
        first = b.lvslab("up", TOPOLOGY, "--lab", LAB)
        b.add("first up", first, what="first lvslab up on a built engine, no state", target=60.0)
        b.add("rss lab booted", b.memory(), what="memory of QEMU, lab, booted", unit="MiB")
        b.add("teardown", b.lvslab("teardown", LAB), **_DOWN)


def restored(b: Bench) -> None:
    """Bring a lab up as a user does that was up before, and tear it down."""
    b.lvslab("up", TOPOLOGY, "--lab", LAB)
    b.lvslab("teardown", LAB)
    for _ in range(b.runs):
        again = b.lvslab("up", TOPOLOGY, "--lab", LAB)
        b.add("up", again, what="lvslab up, the lab restored to proven ready", target=5.0)
        b.add("rss lab", b.memory(), what="memory of QEMU, lab restored", unit="MiB")
        b.add("teardown", b.lvslab("teardown", LAB), **_DOWN)


def overhead(b: Bench) -> None:
    """Compare up on a given Docker engine with the same containers made by the bare SDK."""
    started, _ = b.manager(Recorder()).start("plain", debian=DEBIAN)
    spec = topology.load(_topology(), name=LAB)
    plan = make_plan(spec, LAB, agent_files=agent_files())
    try:
        # One round of each is not counted: the emulator translates code that it first meets.
        _ours(started, plan, prove=False)
        _bare(started.client, plan)
        for _ in range(b.runs):
            bare = _bare(started.client, plan)
            ours, _ = _ours(started, plan, prove=False)
            whole, waited = _ours(started, plan, prove=True)
            b.add("bare sdk", bare, what="the same containers by the bare SDK, in parallel")
            b.add("up unproven", ours, what="up on a given engine, before the proof")
            b.add("overhead", ours / bare, what="  the one over the other", unit="x", target=1.3)
            b.add("up given", whole, what="up on a given engine, proven ready")
            b.add("vrrp", waited, what="  of it VRRP's own: keepalived started to MASTER")
    finally:
        started.close()
        b.stop_all()


def _topology() -> Path:
    path = topology.builtin(TOPOLOGY)
    assert path is not None
    return path


def _ours(engine: Engine, plan: Plan, *, prove: bool) -> tuple[float, float]:
    """Bring the lab up; returns seconds, and how long VRRP itself waited (engine's clock)."""
    began = time.monotonic()
    with up(engine, plan, progress=Recorder(), prove=prove) as made:
        took = time.monotonic() - began
        waited = _vrrp_wait(made) if prove else 0.0
    teardown(engine, plan.lab, progress=Recorder())
    return took, waited


def _vrrp_wait(made: Lab) -> float:
    """Return the time from a director's keepalived to its being MASTER, out of its own events."""
    for node in made.directors:
        log = node.container.logs(stdout=True, stderr=False).decode()
        events = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
        begun = [e["t"] for e in events if e.get("ev") == "service.started"]
        master = [
            e["t"] for e in events if e.get("ev") == "vrrp.state" and e.get("state") == "MASTER"
        ]
        if begun and master:
            return float(master[-1] - begun[0])
    raise FailedError("no director became MASTER, though the lab was proven ready")


def _bare(client: docker.DockerClient, plan: Plan) -> float:
    """Make the plan's network and containers by the SDK alone; returns seconds."""
    image = node_image_ref(DEBIAN)
    began = time.monotonic()
    (planned,) = plan.networks
    pool = IPAMPool(subnet=str(planned.subnet), gateway=str(planned.gateway))
    network = client.networks.create(
        planned.name, driver="bridge", ipam=IPAMConfig(pool_configs=[pool])
    )

    def make(node: NodePlan) -> str:
        api = client.api
        at = api.create_endpoint_config(ipv4_address=str(node.interfaces[0].address))
        made = api.create_container(
            image,
            list(node.command),
            name=node.container,
            hostname=node.hostname,
            stdin_open=True,
            networking_config={"EndpointsConfig": {planned.name: at}},
            host_config=api.create_host_config(
                network_mode=planned.name,
                init=True,
                cap_add=list(node.cap_add) or None,
                sysctls=dict(node.sysctls) or None,
            ),
        )
        api.put_archive(made["Id"], "/", _tar(node))
        api.start(made["Id"])
        return str(made["Id"])

    with ThreadPoolExecutor(max_workers=len(plan.nodes)) as pool_:
        ids = list(pool_.map(make, plan.nodes))
        took = time.monotonic() - began
        for _ in pool_.map(lambda i: client.api.remove_container(i, force=True), ids):
            pass
    network.remove()
    return took


def _tar(node: NodePlan) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for file in node.files:
            member = tarfile.TarInfo(file.path.lstrip("/"))
            member.size, member.mode = len(file.content), file.mode
            tar.addfile(member, io.BytesIO(file.content))
    return buffer.getvalue()


def demo(b: Bench) -> None:
    """Run lvslab demo with everything cached; once, most of it is the protocol's waiting."""
    b.lvslab("up", TOPOLOGY, "--lab", "demo")
    b.lvslab("teardown", "demo")
    took = b.lvslab("demo", "--json")
    b.add("demo", took, what="lvslab demo, everything cached (once)", target=120.0)


def checks(b: Bench) -> None:
    """Run the unit tests, and lint, types and unit tests as make check does."""
    python = [sys.executable, "-m"]
    for _ in range(b.runs):
        unit = b.timed(*python, "pytest", "-q", "tests/unit", cwd=ROOT)
        b.add("unit tests", unit, what="unit tests", target=10.0)
    for _ in range(b.runs):
        took = b.timed("make", "--no-print-directory", "check", cwd=ROOT)
        b.add("make check", took, what="make check (lint, types, unit tests)", target=40.0)


PHASES: dict[str, Callable[[Bench], None]] = {
    "build": build,
    "engine": engine,
    "first": first,
    "restored": restored,
    "overhead": overhead,
    "demo": demo,
    "checks": checks,
}
DEFAULT = ("engine", "first", "restored", "overhead", "demo", "checks")


# -- what comes out -----------------------------------------------------------------------


def machine(b: Bench, load: float) -> dict[str, Any]:
    """Describe the machine without naming it; ``load`` is that before the bench."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpus": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "kvm": b.kvm,
        "lvslab": __version__,
        "load_before": round(load, 2),
    }


_COLUMNS = ("figure", "median", "least", "most", "n", "target")


def table(b: Bench, about: dict[str, Any]) -> Table:
    """Return the figures, each beside what is to be reached."""
    accel = "KVM" if about["kvm"] else "software emulation"
    shown = Table(
        title=f"{about['cpus']} cores, {accel}; load {about['load_before']} at the beginning",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for name in _COLUMNS:
        shown.add_column(name.upper(), justify="left" if name == "figure" else "right")
    for one in b.figures.values():
        what, median, *others = one.cells()
        colour = "" if one.target is None else "green" if one.median <= one.target else "red"
        shown.add_row(what, f"[{colour}]{median}[/]" if colour else median, *others)
    return shown


def markdown(b: Bench) -> str:
    """Return the figures as a Markdown table, for docs/benchmarks.md."""
    rows = [_COLUMNS, ("---", *["---:"] * (len(_COLUMNS) - 1))]
    rows += [tuple(cell.strip() for cell in one.cells()) for one in b.figures.values()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


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


def write(b: Bench, about: dict[str, Any], folder: Path, console: Console) -> None:
    """Write the JSON, show the table."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / time.strftime("%Y%m%d-%H%M%S.json")
    figures = {
        key: {
            "what": one.what.strip(),
            "unit": one.unit,
            "median": round(one.median, 3),
            "target": one.target,
            "values": [round(v, 3) for v in one.values],
        }
        for key, one in b.figures.items()
    }
    path.write_text(json.dumps({"machine": about, "figures": figures}, indent=1) + "\n")
    path.with_suffix(".md").write_text(markdown(b))
    console.print()
    console.print(table(b, about))
    console.print(f"\n[dim]written to {path.name} in {folder.name}/[/]")


if __name__ == "__main__":
    main()
