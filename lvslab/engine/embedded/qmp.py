"""QEMU's control socket: QMP, one JSON object a line (qemu-qmp-ref(7))."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lvslab.closing import Closing
from lvslab.errors import EngineError

#: Seconds that QEMU may take from the event of a finished migration to letting go of it.
_FINISHING = 30.0

#: States of a migration that has not ended (qapi/migration.json).
_UNDER_WAY = ("setup", "active", "device", "pre-switchover")


class Qmp(Closing):
    """A connection to one machine's QMP socket. Commands are answered one after the other."""

    def __init__(self, path: Path, *, timeout: float = 10.0) -> None:
        """Connect and negotiate. Raises EngineError when the machine does not answer."""
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        self._events: list[dict[str, Any]] = []
        try:
            self._socket.connect(str(path))
            self._lines = self._socket.makefile("rb")
            self._read()
            self.execute("qmp_capabilities")
        except (OSError, ValueError) as error:
            self._socket.close()
            raise EngineError(
                f"the machine's control socket does not answer: {error}",
                where=str(path),
                fix="lvslab engine list shows what runs; lvslab teardown removes what is left",
            ) from error

    def close(self) -> None:
        """Disconnect; the machine goes on."""
        self._lines.close()
        self._socket.close()

    def execute(self, command: str, **arguments: Any) -> Any:
        """Run a command and return its result. Raises EngineError with QEMU's own words."""
        request: dict[str, Any] = {"execute": command}
        if arguments:
            request["arguments"] = {k.replace("_", "-"): v for k, v in arguments.items()}
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            while True:
                message = self._read()
                if "return" in message:
                    return message["return"]
                if "error" in message:
                    raise EngineError(
                        f"QEMU refused {command}: {message['error'].get('desc', '')}",
                        where=str(self._path),
                    )
                self._events.append(message)
        except (OSError, ValueError) as error:
            raise EngineError(
                f"the machine ended during {command}: {error or 'closed'}", where=str(self._path)
            ) from error

    def resume(self) -> None:
        """Let a stopped machine go on, also just after a migration. Raises EngineError.

        The event of a finished migration comes a moment before QEMU leaves ``finish-migrate``,
        and until then it refuses ``cont``; of that there is no event (migration.c,
        ``migration_iteration_finish``).
        """
        deadline = time.monotonic() + _FINISHING
        while self.execute("query-status")["status"] == "finish-migrate":
            if time.monotonic() >= deadline:
                break  # cont says why not
            time.sleep(0.01)
        self.execute("cont")

    def wake(self) -> None:
        """Let the machine go on if a save that was killed left it standing. Raises EngineError."""
        if self.execute("query-status")["status"] == "running":
            return
        # A migration that still runs would stop the machine again at its end.
        if self.execute("query-migrate").get("status") in _UNDER_WAY:
            self.execute("migrate_cancel")
        self.resume()

    def wait_event(
        self, wanted: Callable[[dict[str, Any]], bool], *, timeout: float
    ) -> dict[str, Any]:
        """Return the first event that ``wanted`` accepts. Raises EngineError on the deadline."""
        deadline = time.monotonic() + timeout
        try:
            while True:
                while self._events:
                    event = self._events.pop(0)
                    if wanted(event):
                        return event
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError("deadline passed")
                self._socket.settimeout(left)
                self._events.append(self._read())
        except (OSError, ValueError) as error:
            raise EngineError(
                f"the machine did not report what was waited for: {error}", where=str(self._path)
            ) from error

    def _read(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise ConnectionError("the machine closed its control socket")
        message: dict[str, Any] = json.loads(line)
        return message
