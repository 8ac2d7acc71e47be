"""The guest's root file system: packages, kernel, and lvslab's few files in it."""

from __future__ import annotations

import io
import shlex
import subprocess
import tarfile
from pathlib import Path

from lvslab.engine.embedded import initramfs
from lvslab.engine.embedded.mmdebstrap import Mmdebstrap, unpack
from lvslab.engine.embedded.toolbox import Toolbox
from lvslab.errors import EngineError

#: The guest's own Debian release. 26.1 of trixie starts containers in a third of the time
#: that 20.10 of bookworm takes under emulation.
RELEASE = "trixie"
PACKAGES = (
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
    "xz-utils",
)
FILES = Path(__file__).parent / "guest"
_INSTALLED = (
    ("init.sh", "lvslab/init", 0o755),
    ("serve.sh", "lvslab/serve", 0o755),
    ("modules", "lvslab/modules", 0o644),
    ("sshd_config", "lvslab/sshd_config", 0o644),
    ("daemon.json", "etc/docker/daemon.json", 0o644),
)
# Unpacked here once: xz under emulation, at each boot, costs seconds.
_UNPACK = """
cd /usr/lib/modules/*
find . -name "*.ko.xz" -exec xz -d -T1 {} +
depmod "$(basename "$PWD")"
"""


def make_guest_root(folder: Path, dest: Path) -> None:
    """Make the guest's root as ``dest`` (a folder, or an archive with the suffix .tar).

    Leaves in ``folder``: vmlinuz, modules/ (the unpacked tree of the kernel), client_key and
    known_hosts. Works as root and in a user namespace, where mmdebstrap's hooks cannot see
    the caller's files: so everything goes in and out as archives. Raises EngineError.
    """
    own = folder / "own.tar"
    own.write_bytes(_own_files(folder))
    out = {name: folder / f"{name}.tar" for name in ("boot", "modules")}
    hooks = [
        f'chroot "$1" sh -ec {shlex.quote(_UNPACK)}',
        f"tar-out /boot {shlex.quote(str(out['boot']))}",
        f"tar-out /usr/lib/modules {shlex.quote(str(out['modules']))}",
        'rm -rf "$1"/boot/* "$1"/usr/bin/ctr "$1"/usr/bin/containerd-shim '
        '"$1"/usr/bin/containerd-shim-runc-v1',
        f"tar-in {shlex.quote(str(own))} /",
    ]
    Mmdebstrap(RELEASE).install(PACKAGES, dest, folder / "guest.log", hooks=hooks)
    for name, archive in out.items():
        unpack(archive, folder / name)
        archive.unlink()
    own.unlink()
    next((folder / "boot").rglob("vmlinuz-*")).rename(folder / "vmlinuz")


def make_initramfs(folder: Path, tools: Toolbox) -> str:
    """Write FOLDER/initrd.gz from FOLDER/modules; returns the kernel's version."""
    tree = next(p.parent for p in (folder / "modules").rglob("modules.dep"))
    (folder / "initrd.gz").write_bytes(
        initramfs.build(tree, tools.file("usr/bin/busybox"), (FILES / "initramfs.sh").read_bytes())
    )
    return tree.name


def _own_files(folder: Path) -> bytes:
    host_key, public_host = _key_pair(folder, "host_key")
    _, public_client = _key_pair(folder, "client_key", keep=True)
    (folder / "known_hosts").write_text(f"lvslab {public_host}")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, target, mode in _INSTALLED:
            _add(tar, target, (FILES / name).read_bytes(), mode)
        _add(tar, "lvslab/host_key", host_key.encode(), 0o600)
        _add(tar, "lvslab/authorized_keys", public_client.encode(), 0o600)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    member.mode = mode
    tar.addfile(member, io.BytesIO(data))


def _key_pair(folder: Path, name: str, *, keep: bool = False) -> tuple[str, str]:
    path = folder / name
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lvslab", "-f", str(path)]
    try:
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise EngineError(
            "ssh-keygen is not installed", fix="apt-get install openssh-client (as root)"
        ) from error
    except subprocess.CalledProcessError as error:
        raise EngineError(f"ssh-keygen failed (exit code {error.returncode})") from error
    public = path.with_suffix(".pub")
    pair = path.read_text(), public.read_text()
    public.unlink()
    if not keep:
        path.unlink()
    return pair
