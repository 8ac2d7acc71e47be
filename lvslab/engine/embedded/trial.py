"""Does KVM really run a guest here? Tried by booting one, never believed from /dev/kvm alone.

On some hosts (nested virtual machines above all) /dev/kvm opens and the guest then hangs.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

from lvslab.engine.embedded.disk import Disk
from lvslab.engine.embedded.machine import Hardware
from lvslab.engine.embedded.paths import private_dir
from lvslab.engine.embedded.toolbox import Toolbox
from lvslab.progress import Progress

#: Seconds in which a KVM guest reaches its initramfs; it needs well under one.
DEADLINE = 4.0
TCG = Hardware(accel="tcg", cpu="max,la57=off")


def choose_hardware(
    tools: Toolbox, disk: Disk, folder: Path, progress: Progress, *, nodes: int = 0
) -> Hardware:
    """Return KVM if it proved itself since the host booted, else software emulation.

    What was found is remembered in ``folder``. The memory follows the number of ``nodes``.
    """
    chosen = _kvm() if _kvm_works(tools, disk, folder, progress) else TCG
    return replace(chosen, memory_mib=memory_for(nodes))


def memory_for(nodes: int) -> int:
    """Return the machine's memory in MiB.

    The guest with Docker takes 300, a node (agent, httpd or keepalived, shim) some 40. In few
    steps, since a saved engine fits one size only.
    """
    return next((size for size, most in ((1024, 12), (2048, 36)) if nodes <= most), 4096)


def _kvm_works(tools: Toolbox, disk: Disk, folder: Path, progress: Progress) -> bool:
    device = Path("/dev/kvm")
    if os.environ.get("LVSLAB_ACCEL") == "tcg" or not os.access(device, os.R_OK | os.W_OK):
        return False
    asked = {"boot": _boot_id(), "tools": tools.id, "disk": disk.id}
    memory = private_dir(folder) / "kvm.json"
    try:
        known = json.loads(memory.read_text())
        if known["asked"] == asked:
            return bool(known["works"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # Not tried yet, or not readable: try.
    with progress.step("trying whether KVM works here") as step:
        works = _try(tools, disk)
        step.note("it does" if works else "it does not: software emulation")
    memory.write_text(json.dumps({"asked": asked, "works": works}))
    return works


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
