"""One virtual machine: start, restore, save, end."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lvslab.engine.embedded.cache import disk_full
from lvslab.engine.embedded.disk import Disk
from lvslab.engine.embedded.paths import private_dir
from lvslab.engine.embedded.processes import Process, await_end, end, of_folder
from lvslab.engine.embedded.qmp import Qmp
from lvslab.engine.embedded.toolbox import Toolbox
from lvslab.errors import EngineError

#: Seconds. Generous: an emulated boot takes 10-25 s on two idle cores.
BOOT_TIMEOUT = 240.0
_ANSWER_TIMEOUT = 60.0
_FIFOS = ("control.in", "control.out")


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a saved state depends on besides disk and QEMU: it is part of the state's key."""

    accel: str
    cpu: str
    memory_mib: int = 1024
    cpus: int = 2

    def arguments(self) -> list[str]:
        """Return QEMU's arguments for it."""
        accel = "tcg,thread=multi,tb-size=512" if self.accel == "tcg" else self.accel
        return [
            *("-M", "q35", "-accel", accel, "-cpu", self.cpu),
            *("-smp", str(self.cpus), "-m", str(self.memory_mib)),
        ]


@dataclass(frozen=True, slots=True)
class SavedState:
    """A frozen machine: memory and devices in one file, the disk's overlay in another."""

    folder: Path

    @property
    def memory(self) -> Path:
        """Memory and devices, a migration stream."""
        return self.folder / "machine.state"

    @property
    def overlay(self) -> Path:
        """The overlay on the engine's disk as it was at that moment; never written again."""
        return self.folder / "overlay.qcow2"


class Machine:
    """The machine of one folder. Everything about it can be found again from the folder."""

    def __init__(
        self,
        folder: Path,
        tools: Toolbox,
        disk: Disk,
        hardware: Hardware,
        *,
        outbound: bool = False,
    ) -> None:
        """``outbound`` gives it a NIC through which it can reach out (and nobody in)."""
        self.folder = folder
        self._outbound = outbound
        self._tools = tools
        self._disk = disk
        self._hardware = hardware

    # -- start ---------------------------------------------------------------------------

    def boot(self) -> None:
        """Start from the engine's disk and wait until Docker runs in it. Raises EngineError."""
        self._prepare()
        argv = [
            *self._tools.command("qemu-img"),
            *("create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(self._disk.image)),
            str(self._overlay),
        ]
        self._run(argv, "making the machine's disk")
        self._launch([])
        self._expect("ready", BOOT_TIMEOUT)

    def restore(self, state: SavedState) -> None:
        """Start from a saved state; the machine goes on where it was. Raises EngineError."""
        self._prepare()
        # A copy, a few MB: no machine then depends on another's files but the engine's disk.
        shutil.copyfile(state.overlay, self._overlay)
        self._launch(["-incoming", "defer"])
        with self._qmp() as qmp:
            qmp.execute("migrate-set-capabilities", capabilities=_EVENTS)
            qmp.execute("migrate-incoming", uri=f"file:{state.memory}")
            self._migrated(qmp)
            qmp.resume()
        self.set_clock()

    def set_clock(self) -> None:
        """Set the guest's wall clock to the host's. The monotonic clock is left alone."""
        now = f"{time.time():.3f}"
        self._tell(f"clock {now}")
        self._expect(f"clock {now}", _ANSWER_TIMEOUT)

    def _prepare(self) -> None:
        private_dir(self.folder.parent)
        private_dir(self.folder)
        for name in _FIFOS:
            (self.folder / name).unlink(missing_ok=True)
            os.mkfifo(self.folder / name, 0o600)
        record = {"disk": self._disk.folder.name, "hardware": asdict(self._hardware)}
        (self.folder / "machine.json").write_text(json.dumps(record))

    def _launch(self, more: list[str]) -> None:
        f = self.folder
        argv = [
            *self._tools.qemu(),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *self._hardware.arguments(),
            *("-kernel", str(self._disk.kernel), "-initrd", str(self._disk.initrd)),
            *("-append", "console=ttyS0 quiet mitigations=off net.ifnames=0 panic=-1"),
            *("-chardev", f"file,id=console,path={f}/console.log", "-serial", "chardev:console"),
            *("-chardev", f"socket,id=qmp,path={f}/qmp.sock,server=on,wait=off"),
            *("-mon", "chardev=qmp,mode=control"),
            *("-device", "virtio-rng-pci", "-device", "virtio-serial-pci"),
            *("-chardev", f"pipe,id=control,path={f}/control"),
            *("-device", "virtserialport,chardev=control,name=lvslab.control"),
            *("-chardev", f"socket,id=tunnel,path={f}/tunnel.sock,server=on,wait=off"),
            *("-device", "virtserialport,chardev=tunnel,name=lvslab.tunnel"),
            *("-drive", f"file={self._overlay},if=none,id=disk,format=qcow2,cache=unsafe"),
            *("-device", "virtio-blk-pci,drive=disk"),
            *self._network(),
            *("-daemonize", "-pidfile", f"{f}/qemu.pid"),
            *more,
        ]
        # -daemonize: the parent ends when the sockets are there, with an error if they are not.
        self._run(argv, "starting QEMU")

    def _network(self) -> list[str]:
        if not self._outbound:
            return []
        return ["-netdev", "user,id=out", "-device", "virtio-net-pci,netdev=out,romfile="]

    def _run(self, argv: list[str], what: str) -> None:
        log = self.folder / "qemu.log"
        with log.open("ab") as output:
            code = subprocess.run(
                argv,
                env=self._tools.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd="/",
                check=False,
            ).returncode
        if code != 0:
            words = log.read_text(errors="replace").strip()[-500:]
            if "No space left" in words:
                raise disk_full(self.folder)
            raise EngineError(f"{what} failed (exit code {code}): {words}", where=str(self.folder))

    # -- save ----------------------------------------------------------------------------

    def save(self, dest: Path) -> None:
        """Write the running machine's state into ``dest``; it then goes on as if nothing was.

        It stands still meanwhile (0.5-3 s), and its clocks with it: nothing in it notices.
        Raises EngineError; the machine goes on then, too.
        """
        target = SavedState(dest)
        self._tell("sync")
        self._expect("synced", _ANSWER_TIMEOUT)
        with self._qmp() as qmp:
            qmp.execute("stop")
            try:
                qmp.execute("migrate-set-capabilities", capabilities=_EVENTS)
                qmp.execute("migrate-set-parameters", max_bandwidth=2**40)
                qmp.execute("migrate", uri=f"file:{target.memory}")
                self._migrated(qmp)
                # A finished migration has handed the disk over: the file is whole until "cont".
                shutil.copyfile(self._overlay, target.overlay)
            finally:
                qmp.resume()

    def commit(self) -> None:
        """End the machine and write what it changed into the disk it was booted from."""
        self._tell("halt")
        self._expect("halted", _ANSWER_TIMEOUT)
        # By itself, after the guest's power-off: only then does QEMU write out what it holds of
        # the overlay's own tables.
        if await_end(of_folder(self.folder), _ANSWER_TIMEOUT):
            raise EngineError("the machine does not power off", where=str(self.folder))
        self._run([*self._tools.command("qemu-img"), "commit", "-q", str(self._overlay)], "commit")

    @property
    def _overlay(self) -> Path:
        return self.folder / "overlay.qcow2"

    def _migrated(self, qmp: Qmp) -> None:
        def finished(event: dict[str, Any]) -> bool:
            return event.get("event") == "MIGRATION" and event["data"]["status"] in (
                "completed",
                "failed",
            )

        event = qmp.wait_event(finished, timeout=_ANSWER_TIMEOUT * 2)
        if event["data"]["status"] != "completed":
            detail = qmp.execute("query-migrate").get("error-desc", "no reason given")
            if "No space left" in detail:
                raise disk_full(self.folder)
            raise EngineError(f"the machine's state: {detail}", where=str(self.folder))

    # -- control port ----------------------------------------------------------------------

    def _tell(self, line: str) -> None:
        try:
            fd = os.open(self.folder / "control.in", os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            raise self._dead() from error
        try:
            os.write(fd, line.encode() + b"\n")
        finally:
            os.close(fd)

    def _expect(self, word: str, timeout: float) -> None:
        """Read the control port until ``word`` comes. Raises EngineError; notices a death."""
        deadline = time.monotonic() + timeout
        pending = b""
        with contextlib.ExitStack() as stack:
            fd = os.open(self.folder / "control.out", os.O_RDONLY | os.O_NONBLOCK)
            stack.callback(os.close, fd)
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            pidfd = self._pidfd()
            stack.callback(os.close, pidfd)
            poll.register(pidfd, select.POLLIN)
            while (left := deadline - time.monotonic()) > 0:
                ready = dict(poll.poll(left * 1000))
                if ready.get(fd, 0) & select.POLLIN:
                    pending += os.read(fd, 4096)
                    *lines, pending = pending.split(b"\n")
                    for line in lines:
                        if line.startswith(b"dockerd failed"):
                            raise EngineError(
                                f"in the machine, {line.decode(errors='replace')}",
                                where=str(self.folder),
                            )
                        if line.decode(errors="replace").strip() == word:
                            return
                elif pidfd in ready:
                    raise self._dead()
        raise EngineError(
            f"the machine did not say {word!r} within {timeout:.0f} s",
            where=str(self.folder / "console.log"),
            fix="is the host overloaded? Otherwise: lvslab engine stop, and try again",
        )

    def _dead(self) -> EngineError:
        log = self.folder / "console.log"
        tail = log.read_text(errors="replace").strip()[-300:] if log.exists() else ""
        return EngineError(
            "the virtual machine is not running" + (f"; its last words: {tail}" if tail else ""),
            where=str(self.folder),
            fix="run the command again; if it was killed for lack of memory, free some "
            "(lvslab doctor shows how much it needs)",
        )

    def _pidfd(self) -> int:
        process = self.process()
        if process is None:
            raise self._dead()
        try:
            return os.pidfd_open(process.pid)
        except ProcessLookupError as error:
            raise self._dead() from error

    def _qmp(self) -> Qmp:
        return Qmp(self.folder / "qmp.sock", timeout=_ANSWER_TIMEOUT)

    # -- state -------------------------------------------------------------------------------

    def process(self) -> Process | None:
        """The QEMU process, or None."""
        return find_qemu(self.folder)


_EVENTS = [{"capability": "events", "state": True}]


def find_qemu(folder: Path) -> Process | None:
    """The QEMU that serves a machine folder, or None."""
    return next((p for p in of_folder(folder) if p.program == "qemu-system-"), None)


def destroy(folder: Path) -> None:
    """End whatever runs for a machine folder and delete it. Raises EngineError if that fails."""
    left = end(of_folder(folder))
    if left:
        raise EngineError(f"process {left[0].pid} of the machine does not end", where=str(folder))
    if folder.is_dir():
        # Renamed first, so that a folder half deleted is never taken for a machine.
        doomed = folder.with_name(f".gone-{folder.name}-{os.getpid()}")
        folder.rename(doomed)
        shutil.rmtree(doomed)
