"""The Docker API of the guest on a unix socket of the host, through ssh on a serial port.

No TCP port is opened anywhere. ``ssh -f`` goes to the background only once the forwarding
stands, so its exit is the event to wait for.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from lvslab.engine.embedded import fdpass
from lvslab.engine.embedded.disk import Disk
from lvslab.errors import EngineError


def open_tunnel(folder: Path, disk: Disk, *, timeout: float) -> Path:
    """Forward FOLDER/docker.sock (0600) to the guest's Docker socket and return its path.

    The ssh that carries it runs until the machine ends. Raises EngineError with ssh's words.
    """
    sock = folder / "docker.sock"
    log = folder / "tunnel.log"
    proxy = shlex.join([sys.executable, "-IS", str(Path(fdpass.__file__)), str(folder)])
    options = {
        "ProxyCommand": proxy,
        "ProxyUseFdpass": "yes",
        "StreamLocalBindMask": "0177",
        "StreamLocalBindUnlink": "yes",
        "ExitOnForwardFailure": "yes",
        "IdentityFile": str(disk.key),
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "UserKnownHostsFile": str(disk.known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": "lvslab",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "BatchMode": "yes",
        "LogLevel": "ERROR",
        "ControlPath": "none",
        # Seen under software emulation, twice: a request waited for minutes, and the next thing
        # sent through the port woke it. So something is sent often; and a machine that stands
        # still to be saved is not given up for it.
        "ServerAliveInterval": "2",
        "ServerAliveCountMax": "300",
        "PreferredAuthentications": "publickey",
        "KexAlgorithms": "curve25519-sha256",
        "Ciphers": "chacha20-poly1305@openssh.com",
        "Compression": "no",
    }
    argv = ["ssh", "-F", "none", "-f", "-N", "-T", "-L", f"{sock}:/run/docker.sock"]
    for name, value in options.items():
        argv += ["-o", f"{name}={_quote(value) if name.endswith('File') else value}"]
    argv.append("root@lvslab")
    try:
        with log.open("wb") as output:
            code = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                timeout=timeout,
                check=False,
            ).returncode
    except FileNotFoundError as error:
        raise EngineError("ssh is not installed", fix="apt-get install openssh-client") from error
    except subprocess.TimeoutExpired as error:
        raise EngineError(
            f"the machine's Docker API could not be reached within {timeout:.0f} s",
            where=str(folder),
            fix="lvslab engine stop, then try again; console.log and tunnel.log there say more",
        ) from error
    if code != 0:
        raise EngineError(
            f"the machine's Docker API could not be reached: {log.read_text().strip()[:400]}",
            where=str(folder),
            fix="lvslab engine stop, then try again",
        )
    return sock


def _quote(path: str) -> str:
    # ssh splits these options' values at white space (ssh_config(5)).
    return f'"{path}"'
