"""Work that would block the agent, done in a forked child.

A fork and not a new interpreter: starting Python takes most of a second on an emulated
processor. The agent has no threads, so a fork is safe.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from .loop import Until
from .proto import Refused, now
from .services import signal_pid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .loop import Loop, Task
    from .services import Supervisor


def fork(work: Callable[[int, int], None]) -> tuple[int, int, int]:
    """Run ``work(out, control)`` in a child; return its pid, what it writes, its control.

    The child writes to ``out``; ``control`` reads end-of-file once the agent closes the third
    value returned, or is gone.
    """
    read_end, out = os.pipe()
    control, control_end = os.pipe()
    pid = os.fork()
    if pid:
        os.close(out)
        os.close(control)
        return pid, read_end, control_end
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        # The agent's own descriptors: held here, its pipes would never be seen to close.
        os.dup2(out, 3) if out != 3 else None
        os.dup2(control, 4) if control != 4 else None
        _close_from(5)
        work(3, 4)
        code = 0
    finally:
        if sys.exc_info()[0] is not None:
            sys.excepthook(*sys.exc_info())
        os._exit(code)


def _close_from(lowest: int) -> None:
    # Not closerange() up to the limit: in a container that can be 2^30 descriptors, and an
    # older engine's seccomp profile lets no close_range(2) through.
    for name in os.listdir("/proc/self/fd"):
        if int(name) >= lowest:
            try:
                os.close(int(name))
            except OSError:
                continue  # the listing's own


class Output:
    """What a child writes, read until it closes."""

    def __init__(self, loop: Loop, fd: int, on_data: Callable[[bytes], None]) -> None:
        self._loop = loop
        self._fd = fd
        self._on_data = on_data
        self.open = True
        os.set_blocking(fd, False)
        loop.add(fd, self._read)

    def close(self) -> None:
        """Stop reading."""
        if self.open:
            self.open = False
            self._loop.remove(self._fd)
            os.close(self._fd)

    def _read(self, _events: int) -> None:
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return
        if data:
            self._on_data(data)
        else:
            self.close()


def call(loop: Loop, supervisor: Supervisor, work: Callable[[], Any], seconds: float) -> Task:
    """Task: return what ``work()`` returns in a child (JSON-able).

    Raises Refused when it fails there or takes longer than ``seconds``.
    """

    def write_result(out: int, control: int) -> None:
        del control
        data = json.dumps(work()).encode()
        while data:
            data = data[os.write(out, data) :]

    pid, fd, control = fork(write_result)
    pieces: list[bytes] = []
    supervisor.adopt(pid, lambda _status: None)
    output = Output(loop, fd, pieces.append)
    done = yield Until(lambda: not output.open, now() + seconds)
    os.close(control)
    if not done:
        signal_pid(pid, signal.SIGKILL)
        output.close()
        raise Refused(f"no answer within {seconds:g} s", "the node is very slow or frozen")
    try:
        return json.loads(b"".join(pieces))
    except ValueError as error:
        raise Refused("the work ended early", "its error is in the node's log") from error
