"""Root file systems from Debian packages, by mmdebstrap."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lvslab.engine.embedded.cache import disk_full
from lvslab.errors import EngineError

#: What no guest and no node ever reads. Not libperl: keepalived links it.
EXCLUDE = (
    "/usr/share/man/*",
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/share/zoneinfo/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
)
#: Nothing here is precious before it is sealed into the cache: skip every fsync.
_QUICK = ("--dpkgopt=force-unsafe-io", "--aptopt=Acquire::Languages none")


class Mmdebstrap:
    """mmdebstrap for one Debian release, as root or in a user namespace."""

    def __init__(self, release: str) -> None:
        self.release = release

    def extract(self, packages: Sequence[str], dest: Path, log: Path) -> None:
        """Unpack packages and what they depend on, without running any of their scripts.

        The files belong to the caller. Raises EngineError with the end of the log.
        """
        archive = dest.with_name(dest.name + ".tar")
        self._run(["--variant=extract", f"--include={','.join(packages)}"], archive, log)
        unpack(archive, dest)
        archive.unlink()

    def install(
        self,
        packages: Sequence[str],
        dest: Path,
        log: Path,
        *,
        variant: str = "apt",
        hooks: Sequence[str] = (),
    ) -> None:
        """Make a root with the packages installed; ``hooks`` are mmdebstrap's customize hooks.

        ``dest`` is a folder or, with the suffix .tar, an archive. Raises EngineError with the
        end of the log.
        """
        options = [f"--variant={variant}", f"--include={','.join(packages)}"]
        self._run([*options, *(f"--customize-hook={hook}" for hook in hooks)], dest, log)

    def _run(self, options: list[str], dest: Path, log: Path) -> None:
        program = shutil.which("mmdebstrap")
        if program is None:
            raise EngineError(
                "mmdebstrap is not installed", fix="apt-get install mmdebstrap (as root)"
            )
        argv = [
            program,
            f"--mode={'root' if os.geteuid() == 0 else 'unshare'}",
            *options,
            '--aptopt=APT::Install-Recommends "false"',
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDE),
            *_QUICK,
            self.release,
            str(dest),
            *host_sources(self.release),
        ]
        with log.open("wb") as handle:
            code = subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=handle, stderr=handle, check=False
            ).returncode
        if code != 0:
            said = log.read_text(errors="replace")
            if "No space left" in said:
                raise disk_full(dest.parent)
            tail = said.splitlines()[-12:]
            raise EngineError(
                f"mmdebstrap failed for Debian {self.release} (exit code {code}):\n    "
                + "\n    ".join(tail),
                fix="check that Debian's packages can be reached, and that the disk is not full",
            )


def unpack(archive: Path, dest: Path) -> None:
    """Unpack an archive that mmdebstrap made; the files belong to the caller.

    Device nodes, which an ordinary user cannot make, are left out. Raises EngineError.
    """
    dest.mkdir(parents=True, exist_ok=True)
    argv = [
        "tar",
        "-x",
        "--no-same-owner",
        "--exclude=./dev/*",
        "-C",
        str(dest),
        "-f",
        str(archive),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EngineError(f"unpacking {archive.name} failed: {done.stderr.strip()[-300:]}")


def host_sources(release: str) -> list[str]:
    """Return sources.list lines for ``release`` at the mirror that the host's own apt uses.

    Empty on a host that is not Debian: mmdebstrap then takes its default mirror.
    """
    apt = shutil.which("apt-get")
    if apt is None:
        return []
    shown = subprocess.run(
        [apt, "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)"],
        capture_output=True,
        text=True,
        check=False,
    )
    mirrors: dict[str, str] = {}
    for line in shown.stdout.splitlines():
        origin, _, rest = line.partition("|")
        label, _, uri = rest.partition("|")
        if origin == "Debian" and uri.startswith(("http", "file", "copy", "mirror")):
            mirrors.setdefault(label, uri)
    lines = []
    if "Debian" in mirrors:
        lines.append(f"deb {mirrors['Debian']} {release} main")
        lines.append(f"deb {mirrors['Debian']} {release}-updates main")
    if lines and "Debian-Security" in mirrors:
        lines.append(f"deb {mirrors['Debian-Security']} {release}-security main")
    return lines
