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
from lvslab.engine.embedded import initramfs
from lvslab.engine.embedded.cache import Cache, Entry
from lvslab.engine.embedded.mmdebstrap import Mmdebstrap
from lvslab.engine.embedded.nativedockerd import native_dockerd
from lvslab.engine.embedded.toolbox import Toolbox
from lvslab.errors import EngineError
from lvslab.progress import Progress

#: The guest's own Debian release. 26.1 of trixie starts containers in a third of the time
#: that 20.10 of bookworm takes under emulation.
GUEST_RELEASE = "trixie"
GUEST_PACKAGES = (
    "linux-image-cloud-amd64",
    "docker.io",
    "crun",
    "tini",
    "openssh-server",
    "iproute2",
    "kmod",
    "iptables",
    "procps",
    "util-linux",
)
#: Sparse: only what is used takes room.
DISK_SIZE = "8G"
_GUEST_FILES = Path(__file__).parent / "guest"


@dataclass(frozen=True, slots=True)
class Disk:
    """What a machine is booted from."""

    entry: Entry

    @property
    def image(self) -> Path:
        """The raw ext4 image; never written to (machines run on overlays)."""
        return self.entry.path / "disk.img"

    @property
    def kernel(self) -> Path:
        """The guest's kernel."""
        return self.entry.path / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The guest's initramfs."""
        return self.entry.path / "initrd.gz"

    @property
    def key(self) -> Path:
        """The ssh client key that the guest accepts."""
        return self.entry.path / "client_key"

    @property
    def known_hosts(self) -> Path:
        """The guest's pinned host key."""
        return self.entry.path / "known_hosts"


def material(debian: str) -> dict[str, Any]:
    """All that the disk's content depends on, but for what the package archive holds today."""
    guest = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in _GUEST_FILES.iterdir()}
    return {
        "release": GUEST_RELEASE,
        "packages": list(GUEST_PACKAGES),
        "guest": guest,
        "node": images.node_image_ref(debian),
        "size": DISK_SIZE,
        "root": os.geteuid() == 0,
    }


def get_disk(
    cache: Cache,
    toolbox: Callable[[], Toolbox],
    debian: str,
    progress: Progress,
    *,
    rebuild: bool = False,
) -> Disk:
    """Return the disk with the node image of one Debian release, built when it is not there.

    Takes 1-2 minutes the first time. Raises EngineError.
    """

    def make(folder: Path) -> dict[str, Any]:
        return _Builder(folder, debian, progress).build(toolbox)

    return Disk(cache.get("disk", material(debian), make, progress=progress, rebuild=rebuild))


class _Builder:
    def __init__(self, folder: Path, debian: str, progress: Progress) -> None:
        self._folder = folder
        self._root = folder / "root"
        self._debian = debian
        self._progress = progress

    def build(self, toolbox: Callable[[], Toolbox]) -> dict[str, Any]:
        base = self._folder / "base.tar"
        # Two cores and three independent downloads: the base image beside the guest's root.
        with ThreadPoolExecutor(max_workers=2) as pool:
            root = pool.submit(self._guest_root)
            base_made = pool.submit(images.make_base_tar, self._debian, base, self._progress)
            root.result()
            base_made.result()
        version = self._kernel()
        self._keys()
        self._guest_files()
        node = self._images(base)
        self._image(toolbox())
        facts = {
            "kernel": version,
            "node_image": node,
            "packages": self._packages(),
            "debian": self._debian,
        }
        for leftover in ("root", "base.tar"):
            path = self._folder / leftover
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        return facts

    def _guest_root(self) -> None:
        with self._progress.step(f"making the guest from Debian {GUEST_RELEASE} packages"):
            Mmdebstrap(GUEST_RELEASE).install(
                GUEST_PACKAGES, self._root, self._folder / "guest.log"
            )

    def _kernel(self) -> str:
        with self._progress.step("preparing the guest's kernel"):
            modules = next((self._root / "usr/lib/modules").iterdir())
            # Unpacked here once: xz under emulation, at each boot, costs seconds.
            for packed in modules.rglob("*.ko.*"):
                packed.with_suffix("").write_bytes(initramfs.decompress(packed))
                packed.unlink()
            subprocess.run(
                ["chroot", str(self._root), "depmod", modules.name], check=True, env=_CLEAN_ENV
            )
            kernel = next((self._root / "boot").glob("vmlinuz-*"))
            shutil.copyfile(kernel, self._folder / "vmlinuz")
            shutil.rmtree(self._root / "boot")
            return modules.name

    def _keys(self) -> None:
        own = self._root / "lvslab"
        own.mkdir()
        for path, comment in ((own / "host_key", "guest"), (self._folder / "client_key", "lvslab")):
            argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
            try:
                subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
            except FileNotFoundError as error:
                raise EngineError(
                    "ssh-keygen is not installed", fix="apt-get install openssh-client (as root)"
                ) from error
        (self._folder / "client_key.pub").rename(own / "authorized_keys")
        public = (own / "host_key.pub").read_text()
        (self._folder / "known_hosts").write_text(f"lvslab {public}")

    def _guest_files(self) -> None:
        own = self._root / "lvslab"
        for name, target, mode in (
            ("init.sh", own / "init", 0o755),
            ("serve.sh", own / "serve", 0o755),
            ("modules", own / "modules", 0o644),
            ("sshd_config", own / "sshd_config", 0o644),
            ("daemon.json", self._root / "etc/docker/daemon.json", 0o644),
        ):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(_GUEST_FILES / name, target)
            target.chmod(mode)

    def _images(self, base: Path) -> str:
        log = self._folder / "dockerd.log"
        with native_dockerd(self._root, log) as client:
            with self._progress.step("importing the base image"):
                images.import_base(client, self._debian, base)
            ref = images.ensure_node_image(
                client, self._debian, self._progress, network_mode="host"
            )
        (self._root / "etc/resolv.conf").unlink(missing_ok=True)
        return ref

    def _image(self, tools: Toolbox) -> None:
        modules = next((self._root / "usr/lib/modules").iterdir())
        archive = initramfs.build(
            modules, tools.file("usr/bin/busybox"), (_GUEST_FILES / "initramfs.sh").read_bytes()
        )
        (self._folder / "initrd.gz").write_bytes(archive)
        with self._progress.step("writing the engine's disk"):
            argv = [
                *tools.command("mke2fs"),
                *("-q", "-t", "ext4", "-O", "^has_journal", "-m", "0"),
                *("-E", "lazy_itable_init=1,nodiscard", "-d", str(self._root)),
                *(str(self._folder / "disk.img"), DISK_SIZE),
            ]
            done = subprocess.run(
                argv, env=tools.environment(), capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                raise EngineError(f"mke2fs failed: {done.stderr.strip()[-400:]}")

    def _packages(self) -> dict[str, str]:
        text = (self._root / "var/lib/dpkg/status").read_text(errors="replace")
        wanted = {"docker.io", "crun", "containerd", "linux-image-cloud-amd64"}
        found = {}
        for paragraph in text.split("\n\n"):
            fields = dict(
                line.split(": ", 1)
                for line in paragraph.splitlines()
                if ": " in line and not line.startswith(" ")
            )
            if fields.get("Package") in wanted:
                found[fields["Package"]] = fields.get("Version", "")
        return found


_CLEAN_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}

__all__ = ["Disk", "get_disk", "material"]
