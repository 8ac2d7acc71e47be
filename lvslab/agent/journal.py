"""Faults that were injected and not yet healed, on disk before anything is done."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Of this kernel: changes with every boot.
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def life() -> str:
    """Return what tells this run of the node from the ones before a restart of the container.

    Boot, network namespace and the start of PID 1: where one differs, the kernel state that
    a fault changed (links, routes, sysctls, processes) is gone with its namespaces.
    """
    with open(_BOOT_ID, encoding="ascii") as file:
        boot = file.read().strip()
    with open("/proc/1/stat", "rb") as file:
        started = file.read().rpartition(b")")[2].split()[19].decode()
    return f"{boot} {os.stat('/proc/self/ns/net').st_ino} {started}"


class Journal:
    """One file an entry, in the order of injection."""

    def __init__(self, folder: str) -> None:
        os.makedirs(folder, exist_ok=True)
        self._folder = folder

    def entries(self) -> list[dict[str, Any]]:
        """Return every entry, the newest first; one that cannot be read has ``broken``."""
        found = []
        for name in sorted(os.listdir(self._folder), reverse=True):
            if not name.endswith(".json"):
                continue
            try:
                with open(os.path.join(self._folder, name), encoding="utf-8") as file:
                    entry = json.load(file)
                entry["file"] = name
            except (ValueError, TypeError) as error:
                entry = {"file": name, "fault_id": name, "fault": "?", "broken": str(error)}
            found.append(entry)
        return found

    def write(self, entry: dict[str, Any]) -> None:
        """Write an entry, or a change of one, and be sure that it is on the disk."""
        if "file" not in entry:
            names = [n[:-5] for n in os.listdir(self._folder) if n.endswith(".json")]
            last = max((int(number) for number in names if number.isdigit()), default=0)
            entry["file"] = f"{last + 1:08d}.json"
        path = os.path.join(self._folder, entry["file"])
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(json.dumps(entry))
            file.flush()
            os.fsync(file.fileno())
        os.replace(path + ".new", path)
        fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def remove(self, entry: dict[str, Any]) -> None:
        """Forget a healed fault.

        Not synced: should a crash of the machine bring the entry back, the node's next life
        closes it; and a sync would hold up the events that the healing causes.
        """
        os.unlink(os.path.join(self._folder, entry["file"]))
