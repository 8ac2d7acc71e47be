"""What the embedded engine needs of its host, each checked and with its cure."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

from lvslab.engine.doctor import Check
from lvslab.engine.embedded.disk import ROOM_NEEDED
from lvslab.engine.embedded.paths import Paths, default_paths
from lvslab.errors import EngineError

#: Program -> the Debian package that has it.
PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}
ROOT_PROGRAMS = {"unshare": "util-linux", "setpriv": "util-linux", "chroot": "coreutils"}
USER_PROGRAMS = {"newuidmap": "uidmap"}
#: MiB. A machine takes 1 GiB of memory, and QEMU 0.7 of its own.
MEMORY_NEEDED = 2048


def embedded_checks(paths: Paths | None = None) -> list[Check]:
    """Check everything; nothing is started and nothing is changed."""
    places = paths or default_paths()
    return [
        _architecture(),
        _programs(),
        *([] if os.geteuid() == 0 else [_user_namespaces()]),
        _room(places.cache),
        _memory(),
        _kvm(),
        _sockets(places),
    ]


def _architecture() -> Check:
    machine = platform.machine()
    if machine == "x86_64":
        return Check("architecture", "ok", machine, "")
    return Check(
        "architecture",
        "fail",
        f"{machine}: the embedded engine has only an x86-64 guest",
        "use --engine docker with a Docker engine whose kernel has ip_vs",
    )


def _programs() -> Check:
    wanted = PROGRAMS | (ROOT_PROGRAMS if os.geteuid() == 0 else USER_PROGRAMS)
    missing = {program: package for program, package in wanted.items() if not shutil.which(program)}
    if not missing:
        return Check("programs", "ok", ", ".join(wanted), "")
    packages = " ".join(sorted(set(missing.values())))
    return Check(
        "programs",
        "fail",
        f"not installed: {', '.join(missing)}",
        f"apt-get install --no-install-recommends {packages} (as root)",
    )


def _user_namespaces() -> Check:
    unshare = shutil.which("unshare")
    if unshare is None:
        return Check("user namespaces", "fail", "no unshare", "apt-get install util-linux")
    done = subprocess.run(
        [unshare, "--user", "--map-auto", "--map-root-user", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return Check("user namespaces", "ok", "usable", "")
    return Check(
        "user namespaces",
        "fail",
        done.stderr.strip() or "not usable",
        "as root: sysctl kernel.unprivileged_userns_clone=1, and give the user ranges in "
        "/etc/subuid and /etc/subgid (usermod --add-subuids 100000-165535 --add-subgids "
        "100000-165535 USER)",
    )


def _room(cache: Path) -> Check:
    place = next(p for p in (cache, *cache.parents) if p.exists())
    free = shutil.disk_usage(place).free // 2**20
    result = f"{free} MiB free for {cache}"
    if free >= ROOM_NEEDED:
        return Check("disk", "ok", result, "")
    return Check(
        "disk",
        "fail",
        f"{result}, {ROOM_NEEDED} needed to build",
        "free some room (lvslab engine clean), or set LVSLAB_CACHE_DIR to a larger disk",
    )


def _memory() -> Check:
    fields = dict(
        line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines() if ":" in line
    )
    available = int(fields["MemAvailable"].split()[0]) // 1024
    result = f"{available} MiB available"
    if available >= MEMORY_NEEDED:
        return Check("memory", "ok", result, "")
    return Check(
        "memory",
        "warn",
        f"{result}; a machine takes up to {MEMORY_NEEDED}",
        "end something else first, or expect it to swap",
    )


def _kvm() -> Check:
    device = Path("/dev/kvm")
    if not device.exists():
        return Check("kvm", "ok", "not there: software emulation", "")
    if not os.access(device, os.R_OK | os.W_OK):
        return Check(
            "kvm",
            "warn",
            "/dev/kvm is there, but not for this user: software emulation",
            "add the user to the group kvm for a faster engine",
        )
    return Check("kvm", "ok", "/dev/kvm is there; it is used if a guest really boots on it", "")


def _sockets(paths: Paths) -> Check:
    try:
        paths.machine("lab-" + "x" * 32)
    except EngineError as error:
        return Check("sockets", "warn", error.what, error.fix or "")
    return Check("sockets", "ok", str(paths.run), "")
