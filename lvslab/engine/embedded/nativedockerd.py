"""A dockerd on the host's own kernel, out of the guest's root, to put images onto its disk.

Importing an image inside the emulated machine takes 96 s; natively it takes 4 s. The daemon is
the very one that the guest will run (same version, same storage), chrooted into the guest's
root in mount and PID namespaces of its own; it makes no bridge and touches no firewall.
It dies with lvslab, whatever kills that.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import requests
from docker.errors import APIError, DockerException

from lvslab.errors import EngineError

_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 30.0

_SCRIPT = """
set -e
root=$1 sockets=$2
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mkdir run/sockets
mount --bind "$sockets" run/sockets
exec chroot . dockerd -H unix:///run/sockets/d --pidfile /run/d.pid --exec-root /run/docker \
    --config-file /dev/null --storage-driver overlay2 --bridge none \
    --iptables=false --ip6tables=false --ip-forward=false --log-level warn
"""


@contextmanager
def native_dockerd(root: Path, log: Path) -> Iterator[docker.DockerClient]:
    """Run the root's own dockerd natively; yields a client of it.

    Its data is left in the root's /var/lib/docker. Raises EngineError with the end of the log
    when it does not start.
    """
    for program in ("unshare", "setpriv"):
        if shutil.which(program) is None:
            raise EngineError(f"{program} is not there", fix="apt-get install util-linux")
    # Builds look names up with the host's resolver (docker copies this file into them).
    resolver = Path("/etc/resolv.conf")
    if resolver.exists():
        (root / "etc/resolv.conf").write_bytes(resolver.read_bytes())
    with tempfile.TemporaryDirectory(prefix="lvslab-d-") as sockets, log.open("wb") as output:
        process = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL", "--"),
                *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
                *("--propagation", "private"),
                *("sh", "-c", _SCRIPT, "sh", str(root), sockets),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            client = _wait(process, Path(sockets) / "d", log)
            try:
                yield client
            finally:
                client.close()
        finally:
            _stop(process)


def _wait(process: subprocess.Popen[bytes], socket: Path, log: Path) -> docker.DockerClient:
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline:
        try:
            process.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            pass
        else:
            break
        if socket.exists():
            try:
                return docker.DockerClient(base_url=f"unix://{socket}", timeout=600)
            except (DockerException, APIError, requests.RequestException):
                continue
    tail = "\n    ".join(log.read_text(errors="replace").splitlines()[-10:])
    raise EngineError(
        f"the dockerd that fills the engine's disk did not start:\n    {tail}",
        fix="lvslab doctor says what is missing; as an ordinary user the disk is filled in the "
        "machine itself",
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        for child in children.read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGTERM)
    try:
        process.wait(timeout=_STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
