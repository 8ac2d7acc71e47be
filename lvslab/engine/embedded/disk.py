"""The engine's disk: a guest root with kernel, Docker and the node images, as an ext4 image."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lvslab.engine import images
from lvslab.engine.embedded import guestroot
from lvslab.engine.embedded.cache import Cache, Entry, disk_full
from lvslab.engine.embedded.nativedockerd import native_dockerd
from lvslab.engine.embedded.toolbox import Toolbox
from lvslab.errors import EngineError
from lvslab.progress import Progress

#: Sparse: only what is used takes room.
DISK_SIZE = "8G"
#: MiB. What a build needs for a moment; it leaves 1.5 GiB.
ROOM_NEEDED = 4096

#: Puts the node image onto a disk that was made without one, by booting it:
#: (folder with disk.img, vmlinuz, initrd.gz, ...; base image archive) -> image reference.
FillByBooting = Callable[[Path, Path], str]


@dataclass(frozen=True, slots=True)
class Disk:
    """What a machine is booted from."""

    folder: Path
    #: Digest of this very build.
    id: str

    @classmethod
    def of(cls, entry: Entry) -> Disk:
        """Return the disk in a cache entry."""
        return cls(entry.path, entry.id)

    @property
    def image(self) -> Path:
        """The raw ext4 image; never written to (machines run on overlays)."""
        return self.folder / "disk.img"

    @property
    def kernel(self) -> Path:
        """The guest's kernel."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The guest's initramfs."""
        return self.folder / "initrd.gz"

    @property
    def key(self) -> Path:
        """The ssh client key that the guest accepts."""
        return self.folder / "client_key"

    @property
    def known_hosts(self) -> Path:
        """The guest's pinned host key."""
        return self.folder / "known_hosts"


def material(debian: str) -> dict[str, Any]:
    """All that the disk's content depends on, but for what the package archive holds today."""
    files = sorted(guestroot.FILES.iterdir())
    return {
        "release": guestroot.RELEASE,
        "packages": list(guestroot.PACKAGES),
        "guest": {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files},
        "node": images.node_image_ref(debian),
        "size": DISK_SIZE,
    }


def get_disk(
    cache: Cache,
    toolbox: Callable[[], Toolbox],
    fill: FillByBooting,
    debian: str,
    progress: Progress,
    *,
    rebuild: bool = False,
) -> Disk:
    """Return the disk with the node image of one Debian release, built when it is not there.

    As root it takes a minute: the images are put in by a dockerd on the host's kernel. As an
    ordinary user it takes several: the machine is booted and makes them itself (``fill``).
    Raises EngineError.
    """

    def make(folder: Path) -> dict[str, Any]:
        if shutil.disk_usage(folder).free < ROOM_NEEDED << 20:
            raise disk_full(folder.parent, needed=ROOM_NEEDED)
        builder = _Builder(folder, debian, progress)
        return builder.as_root(toolbox) if os.geteuid() == 0 else builder.as_user(toolbox, fill)

    return Disk.of(cache.get("disk", material(debian), make, progress=progress, rebuild=rebuild))


class _Builder:
    def __init__(self, folder: Path, debian: str, progress: Progress) -> None:
        self._folder = folder
        self._debian = debian
        self._progress = progress
        self._base = folder / "base.tar"

    def as_root(self, toolbox: Callable[[], Toolbox]) -> dict[str, Any]:
        """Fill the root natively, then make the disk of it."""
        root = self._folder / "root"
        tools = self._downloads(toolbox, root)
        with native_dockerd(root, self._folder / "dockerd.log") as client:
            with self._progress.step("importing the base image"):
                images.import_base(client, self._debian, self._base)
            ref = images.ensure_node_image(
                client, self._debian, self._progress, network_mode="host"
            )
        self._format(tools, root)
        return self._done(root, ref, guestroot.make_initramfs(self._folder, tools))

    def as_user(self, toolbox: Callable[[], Toolbox], fill: FillByBooting) -> dict[str, Any]:
        """Make the disk of an archive (mke2fs reads owners from it), then fill it by booting."""
        root = self._folder / "root.tar"
        tools = self._downloads(toolbox, root)
        self._format(tools, root)
        kernel = guestroot.make_initramfs(self._folder, tools)
        return self._done(root, fill(self._folder, self._base), kernel)

    def _downloads(self, toolbox: Callable[[], Toolbox], root: Path) -> Toolbox:
        # Two cores and independent downloads: the base image and the tools beside the guest.
        with ThreadPoolExecutor(max_workers=2) as pool:
            made = pool.submit(self._guest_root, root)
            base = pool.submit(images.make_base_tar, self._debian, self._base, self._progress)
            base.result()
            tools = pool.submit(toolbox).result()
            made.result()
        return tools

    def _guest_root(self, root: Path) -> None:
        with self._progress.step(f"making the guest from Debian {guestroot.RELEASE} packages"):
            guestroot.make_guest_root(self._folder, root)

    def _format(self, tools: Toolbox, root: Path) -> None:
        with self._progress.step("writing the engine's disk"):
            argv = [
                *tools.command("mke2fs"),
                *("-q", "-t", "ext4", "-O", "^has_journal", "-m", "0"),
                *("-E", "lazy_itable_init=1,nodiscard", "-d", str(root)),
                *(str(self._folder / "disk.img"), DISK_SIZE),
            ]
            done = subprocess.run(
                argv, env=tools.environment(), capture_output=True, text=True, check=False
            )
        if done.returncode != 0:
            if "No space left" in done.stderr:
                raise disk_full(self._folder)
            raise EngineError(f"mke2fs failed: {done.stderr.strip()[-400:]}")

    def _done(self, root: Path, ref: str, kernel: str) -> dict[str, Any]:
        """Delete what was only needed on the way; returns the facts of the entry."""
        for leftover in (root, self._base, self._folder / "modules", self._folder / "boot"):
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink(missing_ok=True)
        return {"kernel": kernel, "node_image": ref, "debian": self._debian}
