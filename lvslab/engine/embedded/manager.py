"""The embedded engines of this user: build, start (restore before boot), find, stop, clean."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lvslab.engine import images
from lvslab.engine.embedded import machine as vm
from lvslab.engine.embedded import states
from lvslab.engine.embedded.cache import Cache, DiskFullError, Entry, disk_full
from lvslab.engine.embedded.disk import Disk, FillByBooting, get_disk
from lvslab.engine.embedded.engine import EmbeddedEngine
from lvslab.engine.embedded.machine import Hardware, Machine, SavedState, find_qemu
from lvslab.engine.embedded.paths import Paths, default_paths, private_dir
from lvslab.engine.embedded.processes import of_folder
from lvslab.engine.embedded.qmp import Qmp
from lvslab.engine.embedded.toolbox import Toolbox, get_toolbox
from lvslab.engine.embedded.trial import choose_hardware
from lvslab.errors import EngineError
from lvslab.progress import Progress

How = Literal["running", "lab", "engine", "boot"]


@dataclass(frozen=True, slots=True)
class MachineInfo:
    """A machine folder, running or left behind."""

    name: str
    folder: Path
    running: bool
    #: Another lvslab is just bringing it up.
    starting: bool
    pid: int | None
    rss: int
    disk: str


class Manager:
    """Everything about the embedded engine that outlives one call is in two folders."""

    def __init__(self, progress: Progress, paths: Paths | None = None) -> None:
        self.paths = paths or default_paths()
        self.cache = Cache(self.paths.cache)
        self._kept = states.kept(os.environ)
        self._progress = progress

    # -- build -----------------------------------------------------------------------------

    def build(self, debian: str, *, rebuild: bool = False) -> tuple[Toolbox, Disk]:
        """Return tools and disk, made from Debian packages when they are not there."""
        if rebuild:
            get_toolbox(self.cache, self._progress, rebuild=True)
        disk = get_disk(
            self.cache, self._tools, self._filler(debian), debian, self._progress, rebuild=rebuild
        )
        return self._tools(), disk

    def _filler(self, debian: str) -> FillByBooting:
        """What an ordinary user does instead of running dockerd natively: boot, and build there."""

        def fill(folder: Path, base: Path) -> str:
            tools, disk = self._tools(), Disk(folder, "unfilled")
            hardware = choose_hardware(tools, disk, self.paths.cache, self._progress)
            # Building in the machine wants the packages' network: a NIC outwards, this once.
            machine = Machine(
                self.paths.machine(f"build-{os.getpid()}"), tools, disk, hardware, outbound=True
            )
            with self._undone(machine.folder):
                with self._progress.step("booting the new engine"):
                    engine = self._booted(machine, disk, hardware, tools)
                with self._progress.step("importing the base image"):
                    images.import_base(engine.client, debian, base)
                ref = images.ensure_node_image(
                    engine.client, debian, self._progress, network_mode="host"
                )
                with self._progress.step("writing the engine's disk"):
                    machine.commit()
            vm.destroy(machine.folder)
            return ref

        return fill

    def _tools(self) -> Toolbox:
        return get_toolbox(self.cache, self._progress)

    # -- start -----------------------------------------------------------------------------

    def start(
        self, name: str, *, debian: str, plan: str | None = None, nodes: int = 0
    ) -> tuple[EmbeddedEngine, How]:
        """Return the machine's engine and how it came about.

        A running machine is taken as it is; else the saved lab of ``plan`` (a plan digest) is
        restored; else a saved engine; else one is booted, and saved for the next time. Its
        memory is chosen for ``nodes`` containers. A saved
        state that does not come up is deleted, never tried twice. Raises EngineError.
        """
        folder = self.paths.machine(name)
        with self._locked(name):
            if self._up(folder):
                return self._attach(folder), "running"
            _remove(folder)
            try:
                return self._fresh(folder, debian, plan, nodes)
            except BaseException:
                # Ctrl-C can strike between any two steps.
                _remove(folder)
                raise

    def _fresh(
        self, folder: Path, debian: str, plan: str | None, nodes: int
    ) -> tuple[EmbeddedEngine, How]:
        """Start a machine where there is none; what it makes is the caller's to undo."""
        tools, disk = self.build(debian)
        hardware = choose_hardware(tools, disk, self.paths.cache, self._progress, nodes=nodes)
        wanted: list[tuple[How, str]] = [("lab", plan)] if plan else []
        for how, what in [*wanted, ("engine", states.IDLE)]:
            material = states.material(tools, disk, hardware, what)
            entry = self.cache.find_whole("state", material, progress=self._progress)
            if entry is None:
                continue
            try:
                with self._progress.step(f"restoring the saved {how}"):
                    engine = self._restore(folder, tools, disk, hardware, entry)
                with contextlib.suppress(FileNotFoundError):  # another deleted it meanwhile
                    os.utime(entry.path / "manifest.json")
                return engine, how
            except DiskFullError:
                raise  # which says nothing about the state
            except EngineError as error:
                vm.destroy(folder)
                self.cache.discard(entry, progress=self._progress)
                with self._progress.step(f"discarding it: {error.what}"):
                    continue
        engine = self._boot(folder, tools, disk, hardware)
        try:
            self._save(engine.machine, tools, disk, hardware, states.IDLE)
        except EngineError as error:
            # It is up all the same; only the next start is slower.
            with self._progress.step(f"going on without: {error.what}"):
                pass
        return engine, "boot"

    def _boot(self, folder: Path, tools: Toolbox, disk: Disk, hw: Hardware) -> EmbeddedEngine:
        machine = Machine(folder, tools, disk, hw)
        with self._undone(folder), self._progress.step("booting the engine"):
            return self._booted(machine, disk, hw, tools)

    def _booted(self, machine: Machine, disk: Disk, hw: Hardware, tools: Toolbox) -> EmbeddedEngine:
        machine.boot()
        machine.set_clock()
        engine = EmbeddedEngine(machine, disk, hw, tools.qemu_version)
        engine.connect()
        return engine

    def _restore(
        self, folder: Path, tools: Toolbox, disk: Disk, hw: Hardware, entry: Entry
    ) -> EmbeddedEngine:
        machine = Machine(folder, tools, disk, hw)
        with self._undone(folder):
            try:
                machine.restore(SavedState(entry.path))
            except FileNotFoundError as error:
                raise EngineError("another lvslab deleted it meanwhile") from error
            engine = EmbeddedEngine(machine, disk, hw, tools.qemu_version)
            engine.connect()
            return engine

    @contextmanager
    def _undone(self, folder: Path) -> Iterator[None]:
        """A start that does not succeed, Ctrl-C included, leaves no machine behind.

        One that was killed leaves a machine that is marked as half started.
        """
        private_dir(self.paths.run)
        private_dir(folder)
        (folder / _STARTING).touch()
        try:
            yield
            (folder / _STARTING).unlink()
        except BaseException as error:
            _keep_logs(folder, self.paths.run)
            full = isinstance(error, OSError) and error.errno == errno.ENOSPC
            refusal = disk_full(folder) if full else None
            vm.destroy(folder)
            if refusal is not None:
                raise refusal from error
            raise

    def save_lab(self, engine: EmbeddedEngine, plan: str) -> Entry:
        """Freeze the lab as it is now, so that the next start with this plan is a restore."""
        tools, disk = self._tools(), engine.disk
        entry = self._save(engine.machine, tools, disk, engine.hardware, plan)
        states.evict(self.cache, self._kept, self._progress)
        return entry

    def _save(self, machine: Machine, tools: Toolbox, disk: Disk, hw: Hardware, what: str) -> Entry:
        def make(folder: Path) -> dict[str, Any]:
            with self._progress.step("saving its state, so that the next start is a restore"):
                machine.save(folder)
            return {"what": what, "disk": disk.folder.name, "accel": hw.accel}

        material = states.material(tools, disk, hw, what)
        return self.cache.get("state", material, make, progress=self._progress)

    # -- find ------------------------------------------------------------------------------

    def machines(self) -> list[MachineInfo]:
        """Every machine folder, running or not."""
        if not self.paths.run.is_dir():
            return []
        found = []
        for folder in sorted(p for p in self.paths.run.iterdir() if (p / "machine.json").exists()):
            if folder.name.startswith("."):
                continue
            process = find_qemu(folder)
            found.append(
                MachineInfo(
                    name=folder.name,
                    folder=folder,
                    running=process is not None,
                    starting=self.starting(folder.name),
                    pid=process.pid if process else None,
                    rss=process.rss() if process else 0,
                    disk=str(_record(folder)["disk"]),
                )
            )
        return found

    def exists(self, name: str) -> bool:
        """Is there a machine of that name, running or left behind, be it half made?"""
        return self.paths.machine(name).is_dir()

    def starting(self, name: str) -> bool:
        """Is another lvslab just bringing that machine up? (Not: was, and it was killed.)"""
        if not (self.paths.machine(name) / _STARTING).exists():
            return False
        try:
            with self._lock_file(name).open("rb") as handle:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:  # its start ended this very moment
            return False
        return False

    def find(self, name: str) -> EmbeddedEngine | None:
        """Return the running machine of that name, or None. Raises EngineError if it is mute."""
        folder = self.paths.machine(name)
        return self._attach(folder) if self._up(folder) else None

    def _up(self, folder: Path) -> bool:
        """Does the machine run, and was its start not cut short?"""
        return find_qemu(folder) is not None and not (folder / _STARTING).exists()

    def _attach(self, folder: Path) -> EmbeddedEngine:
        record = _record(folder)
        with Qmp(folder / "qmp.sock", timeout=_SAVING) as qmp:
            qmp.wake()
        disk = next((e for e in self.cache.entries() if e.path.name == record["disk"]), None)
        if disk is None:
            raise EngineError(
                "the disk that this machine was started from is gone from the cache",
                where=str(folder),
                fix="lvslab teardown (or lvslab engine stop), then start it again",
            )
        hardware = Hardware(**record["hardware"])
        tools = self._tools()
        engine = EmbeddedEngine(
            Machine(folder, tools, Disk.of(disk), hardware),
            Disk.of(disk),
            hardware,
            tools.qemu_version,
        )
        engine.connect()
        return engine

    # -- end -------------------------------------------------------------------------------

    def stop(self, name: str) -> bool:
        """End a machine and delete its folder. False when there was none."""
        folder = self.paths.machine(name)
        with self._locked(name):
            existed = folder.exists() or bool(of_folder(folder))
            _remove(folder)
        self.cache.sweep()
        return existed

    def clean(self, *, everything: bool) -> list[str]:
        """Delete saved states (and with ``everything`` disks and tools) and all debris."""
        used = {m.disk for m in self.machines() if m.running}

        def keep(entry: Entry) -> bool:
            if entry.path.name in used or (used and entry.kind in ("tools", "state")):
                return True
            return not everything and entry.kind != "state"

        gone = self.cache.clean(keep)
        if self.paths.run.is_dir():
            for path in self.paths.run.glob(".gone-*"):
                shutil.rmtree(path, ignore_errors=True)
        return gone

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Hold the machine's lock; its file goes with the machine."""
        private_dir(self.paths.run)
        path = self._lock_file(name)
        with contextlib.ExitStack() as stack:
            while True:
                handle = stack.enter_context(path.open("a"))
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    with self._progress.step("waiting for another lvslab at this machine"):
                        fcntl.flock(handle, fcntl.LOCK_EX)
                # Whoever held it may have deleted it: then this lock binds nobody.
                if _same_file(path, handle.fileno()):
                    break
            try:
                yield
            finally:
                if not self.paths.machine(name).exists():
                    path.unlink()

    def _lock_file(self, name: str) -> Path:
        return self.paths.run / f"{name}.lock"


#: In a machine's folder while it is being started.
_STARTING = "starting"
#: Seconds. Whoever saves a machine has its control socket to himself meanwhile.
_SAVING = 60.0


def _remove(folder: Path) -> None:
    """End a machine and delete its folder, and what a killed removal left of an earlier one."""
    vm.destroy(folder)
    for debris in folder.parent.glob(f".gone-{folder.name}-*"):
        shutil.rmtree(debris, ignore_errors=True)


def _same_file(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def _record(folder: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((folder / "machine.json").read_text())
    except (OSError, ValueError) as error:
        raise EngineError(
            "the record of this machine cannot be read",
            where=str(folder / "machine.json"),
            fix="lvslab teardown, or lvslab engine stop",
        ) from error
    return record


def _keep_logs(folder: Path, run: Path) -> None:
    for log in folder.glob("*.log"):
        with contextlib.suppress(OSError):  # a full disk: what failed says so itself
            shutil.copyfile(log, run / f"last-failed-{log.name}")
