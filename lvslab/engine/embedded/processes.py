"""Finding and ending exactly those processes that serve one machine folder.

A process is a machine's own when an argument of its command line lies in the machine's folder
*and* its program is one that lvslab starts there. Its identity is pid and start time together:
a pid that was used again is somebody else.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_PROGRAMS = ("qemu-system-", "ssh", "fdpass.py")


@dataclass(frozen=True, slots=True)
class Process:
    """A process that was seen; ``start`` is in clock ticks since boot (proc_pid_stat(5))."""

    pid: int
    start: int
    program: str

    def alive(self) -> bool:
        """Is this very process still there (a zombie is not)?"""
        seen = _stat(self.pid)
        return seen is not None and seen[0] == self.start and seen[1] not in "ZX"

    def rss(self) -> int:
        """Resident memory in bytes, 0 if it is gone."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGESIZE")


def of_folder(folder: Path) -> list[Process]:
    """Every live process that serves the folder."""
    found = []
    needle = f"{folder}/"
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        program = next((p for w in words[:6] for p in _PROGRAMS if _base(w).startswith(p)), None)
        if program is None or not any(needle in w or w == str(folder) for w in words):
            continue
        seen = _stat(int(entry.name))
        if seen is not None and seen[1] not in "ZX" and int(entry.name) != os.getpid():
            found.append(Process(int(entry.name), seen[0], program))
    return found


def end(processes: list[Process], *, grace: float = 0.0) -> list[Process]:
    """End processes (TERM, after ``grace`` seconds KILL) and return those that outlived it."""
    _signal(processes, signal.SIGTERM if grace else signal.SIGKILL)
    left = await_end(processes, grace or 5.0)
    if left and grace:
        _signal(left, signal.SIGKILL)
        left = await_end(left, 5.0)
    return left


def _signal(processes: list[Process], number: signal.Signals) -> None:
    for process in processes:
        with _pinned(process) as handle, suppress(ProcessLookupError):
            if handle is not None:
                signal.pidfd_send_signal(handle, number)


def await_end(processes: list[Process], seconds: float) -> list[Process]:
    """Wait until processes have ended by themselves; returns those that have not."""
    deadline = time.monotonic() + seconds
    for process in processes:
        with _pinned(process) as handle:
            if handle is not None:
                poll = select.poll()
                poll.register(handle, select.POLLIN)
                poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
    return [p for p in processes if p.alive()]


@contextmanager
def _pinned(process: Process) -> Iterator[int | None]:
    """Give a descriptor of a process; None where it has ended.

    It pins the process: what is done by it cannot be done to another that has the pid since.
    """
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        yield None
        return
    try:
        yield handle if process.alive() else None
    finally:
        os.close(handle)


def _stat(pid: int) -> tuple[int, str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field, in parentheses, may itself hold spaces and parentheses.
    fields = text[text.rindex(")") + 2 :].split()
    return int(fields[19]), fields[0]


def _base(word: str) -> str:
    return word.rpartition("/")[2]
