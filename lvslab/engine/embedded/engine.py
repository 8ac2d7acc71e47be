"""The embedded engine as the rest of the house sees it: a Docker API."""

from __future__ import annotations

import docker
import requests
from docker.errors import DockerException

from lvslab.engine.base import EngineInfo, Kind
from lvslab.engine.embedded.disk import Disk
from lvslab.engine.embedded.machine import Hardware, Machine
from lvslab.engine.embedded.processes import end, of_folder
from lvslab.engine.embedded.tunnel import open_tunnel
from lvslab.errors import EngineError

_TUNNEL_TIMEOUT = 60.0
_API_TIMEOUT = 120
_POOL = 32


class EmbeddedEngine:
    """A running machine and the tunnel to its Docker API."""

    kind: Kind = "embedded"

    def __init__(self, machine: Machine, disk: Disk, hardware: Hardware, qemu: str) -> None:
        self.machine = machine
        self.disk = disk
        self.hardware = hardware
        self._qemu = qemu
        self._client: docker.DockerClient | None = None

    @property
    def docker_host(self) -> str:
        """The URL for DOCKER_HOST."""
        return f"unix://{self.machine.folder / 'docker.sock'}"

    @property
    def client(self) -> docker.DockerClient:
        """See Engine.client. Raises EngineError before :meth:`connect`."""
        if self._client is None:
            raise EngineError("the engine is not connected")
        return self._client

    def connect(self) -> None:
        """Make sure that the Docker API answers, with a new tunnel if the old one died."""
        tunnels = [p for p in of_folder(self.machine.folder) if p.program == "ssh"]
        if tunnels and self._ping():
            return
        end(tunnels)
        open_tunnel(self.machine.folder, self.disk, timeout=_TUNNEL_TIMEOUT)
        if not self._ping():
            raise EngineError(
                "Docker in the machine does not answer",
                where=self.docker_host,
                fix="lvslab engine stop, then try again",
            )

    def _ping(self) -> bool:
        self.close()
        try:
            # A fixed API version saves the request that would ask for it.
            client = docker.DockerClient(
                base_url=self.docker_host,
                version="1.41",
                timeout=_API_TIMEOUT,
                max_pool_size=_POOL,
            )
            client.ping()
        except (DockerException, requests.RequestException, OSError):
            return False
        self._client = client
        return True

    def info(self) -> EngineInfo:
        """See Engine.info."""
        try:
            shown = self.client.info()
        except (DockerException, requests.RequestException) as error:
            raise EngineError(f"the engine does not answer: {error}") from error
        accel = "KVM" if self.hardware.accel == "kvm" else "software emulation"
        return EngineInfo(
            kind="embedded",
            name=f"embedded (QEMU {self._qemu}, {accel}, Docker {shown['ServerVersion']})",
            kernel=str(shown["KernelVersion"]),
            docker_host=self.docker_host,
        )

    def close(self) -> None:
        """Close the client; machine and tunnel go on."""
        if self._client is not None:
            self._client.close()
            self._client = None
