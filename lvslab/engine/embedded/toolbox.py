"""The programs that make and run the machine, taken from Debian packages into the cache.

QEMU 10 runs guests up to twice as fast under software emulation as the 7.2 of Debian 12, and
a saved machine can only be restored by the QEMU that saved it: so lvslab brings its own, the
same on every host, and nothing but mmdebstrap has to be installed for it. The programs run
through their own dynamic loader and libraries; the host's are never mixed in.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

from lvslab.engine.embedded.cache import Cache, Entry
from lvslab.engine.embedded.mmdebstrap import Mmdebstrap
from lvslab.errors import EngineError
from lvslab.progress import Progress

RELEASE = "trixie"
PACKAGES = ("qemu-system-x86", "qemu-utils", "e2fsprogs", "busybox-static")
_MULTIARCH = "usr/lib/x86_64-linux-gnu"
_PLACES = ("usr/bin", "usr/sbin", "bin", "sbin")


class Toolbox:
    """The unpacked tools; :meth:`command` gives the argv that runs one of them."""

    def __init__(self, entry: Entry) -> None:
        self._root = entry.path / "root"
        self.qemu_version = str(entry.facts["qemu"])
        self.id = entry.id

    def command(self, program: str) -> list[str]:
        """Return the argv prefix that runs ``program``. Raises EngineError if it is not there."""
        for place in _PLACES:
            path = self._root / place / program
            if path.is_file():
                return _through_loader(self._root, path)
        raise EngineError(
            f"the tools lack {program}", where=str(self._root), fix="run lvslab engine clean --all"
        )

    def file(self, relative: str) -> Path:
        """Return a file of the tools (for the static busybox that goes into the initramfs)."""
        return self._root / relative

    def qemu(self) -> list[str]:
        """Return the argv prefix of qemu-system-x86_64 with its firmware folders."""
        share = self._root / "usr/share"
        return [
            *self.command("qemu-system-x86_64"),
            *("-L", str(share / "qemu"), "-L", str(share / "seabios")),
        ]

    def environment(self) -> dict[str, str]:
        """Return the environment for the tools: no path of the host's QEMU modules."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("LD_", "QEMU_"))}
        env["QEMU_MODULE_DIR"] = str(self._root / _MULTIARCH / "qemu")
        env["MKE2FS_CONFIG"] = str(self._root / "etc/mke2fs.conf")
        return env


def material() -> dict[str, Any]:
    """What the tools depend on."""
    return {"release": RELEASE, "packages": list(PACKAGES)}


def get_toolbox(cache: Cache, progress: Progress, *, rebuild: bool = False) -> Toolbox:
    """Return the tools, unpacked from Debian packages the first time (about 15 s)."""

    def make(folder: Path) -> dict[str, Any]:
        with progress.step("fetching QEMU and file system tools"):
            Mmdebstrap(RELEASE).extract(PACKAGES, folder / "root", folder / "mmdebstrap.log")
        argv = _through_loader(folder / "root", folder / "root/usr/bin/qemu-system-x86_64")
        shown = subprocess.run([*argv, "--version"], capture_output=True, text=True, check=False)
        match = re.search(r"version (\S+)(?: \((.+?)\))?", shown.stdout)
        if shown.returncode != 0 or match is None:
            raise EngineError(
                f"the unpacked QEMU does not run: {(shown.stderr or shown.stdout).strip()[:300]}",
                fix="lvslab's embedded engine needs an x86-64 Linux host",
            )
        return {"qemu": match.group(1), "qemu_package": match.group(2) or "", "hash": True}

    return Toolbox(cache.get("tools", material(), make, progress=progress, rebuild=rebuild))


def _through_loader(root: Path, program: Path) -> list[str]:
    loader = root / _MULTIARCH / "ld-linux-x86-64.so.2"
    libraries = f"{root / _MULTIARCH}:{root / _MULTIARCH / 'pulseaudio'}"
    return [str(loader), "--library-path", libraries, str(program)]
