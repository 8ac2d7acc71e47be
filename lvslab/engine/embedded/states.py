"""Saved machines in the cache: what each depends on, and how many are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lvslab.engine.embedded import machine as vm
from lvslab.engine.embedded.cache import Cache, Entry
from lvslab.engine.embedded.disk import Disk
from lvslab.engine.embedded.machine import Hardware
from lvslab.engine.embedded.toolbox import Toolbox
from lvslab.errors import EngineError
from lvslab.progress import Progress

#: What is saved of an engine without a lab.
IDLE = "idle engine"
#: Saved labs that are kept (0.3-0.5 GB each) where nobody says how many.
STATES_KEPT = 8
#: What says how many.
KEPT = "LVSLAB_STATES_KEPT"


def material(tools: Toolbox, disk: Disk, hw: Hardware, what: str) -> dict[str, Any]:
    """All that a saved state depends on; ``what`` is IDLE, or the digest of a lab's plan."""
    return {
        "tools": tools.id,
        "qemu": tools.qemu_version,
        "disk": disk.id,
        "hardware": asdict(hw),
        "host_cpu": _host_cpu() if hw.accel == "kvm" else "",
        "machine": hashlib.sha256(Path(vm.__file__).read_bytes()).hexdigest(),
        "what": what,
    }


def kept(env: Mapping[str, str]) -> int:
    """Return how many saved labs are kept. Raises EngineError where ``env`` says no number."""
    said = env.get(KEPT) or str(STATES_KEPT)
    if not said.isdecimal():
        raise EngineError(
            f"{KEPT} is {said!r}, which is no number of saved labs",
            fix=f"set it to a whole number, 0 for none, or unset it: {STATES_KEPT} are kept then",
        )
    return int(said)


def evict(cache: Cache, keep: int, progress: Progress) -> None:
    """Delete the saved labs that were not used for longest, all but ``keep``."""
    labs = [e for e in cache.entries() if e.kind == "state" and e.facts["what"] != IDLE]
    for entry in sorted(labs, key=_last_used, reverse=True)[keep:]:
        cache.discard(entry, progress=progress)


def _last_used(entry: Entry) -> float:
    try:
        return (entry.path / "manifest.json").stat().st_mtime
    except FileNotFoundError:  # another deleted it meanwhile
        return 0.0


def _host_cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return "\n".join(sorted({x for x in lines if x.startswith(("model name", "flags"))}))
