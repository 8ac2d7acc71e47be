"""Does KVM really run a guest here? Tried by booting one, never believed from /dev/kvm alone.

On some hosts (nested virtual machines above all) /dev/kvm opens and the guest then hangs.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from lvslab.engine.embedded.disk import Disk
from lvslab.engine.embedded.machine import Hardware
from lvslab.engine.embedded.paths import private_dir
from lvslab.engine.embedded.toolbox import Toolbox
from lvslab.progress import Progress

#: Seconds in which a KVM guest reaches its initramfs; it needs well under one.
DEADLINE = 4.0
TCG = Hardware(accel="tcg", cpu="max,la57=off")


def choose_hardware(tools: Toolbox, disk: Disk, run: Path, progress: Progress) -> Hardware:
    """Return KVM if it proved itself since the host booted, else software emulation."""
    device = Path("/dev/kvm")
    if os.environ.get("LVSLAB_ACCEL") == "tcg" or not os.access(device, os.R_OK | os.W_OK):
        return TCG
    asked = {"boot": _boot_id(), "tools": tools.id, "disk": disk.id}
    memory = private_dir(run) / "kvm.json"
    try:
        known = json.loads(memory.read_text())
        if known["asked"] == asked:
            return _kvm() if known["works"] else TCG
    except (OSError, ValueError, KeyError, TypeError):
        pass  # Not tried yet, or not readable: try.
    with progress.step("trying whether KVM works here") as step:
        works = _try(tools, disk)
        step.note("it does" if works else "it does not: software emulation")
    memory.write_text(json.dumps({"asked": asked, "works": works}))
    return _kvm() if works else TCG


def _try(tools: Toolbox, disk: Disk) -> bool:
    argv = [
        *tools.qemu(),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *_kvm().arguments(),
        *("-kernel", str(disk.kernel), "-initrd", str(disk.initrd)),
        *("-append", "console=ttyS0 quiet panic=-1 lvslab.trial", "-serial", "stdio"),
    ]
    try:
        done = subprocess.run(
            argv,
            env=tools.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return b"lvslab-trial-ok" in done.stdout


def _kvm() -> Hardware:
    return Hardware(accel="kvm", cpu="host")


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
