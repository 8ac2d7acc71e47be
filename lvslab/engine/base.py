"""What an engine is to the rest of the house: a Docker API with ip_vs behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import docker

Kind = Literal["docker", "embedded"]


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What a person wants to know about the engine that a figure was measured on."""

    kind: Kind
    #: "Docker 26.1.5 at unix:///run/docker.sock", "embedded (QEMU 10.0, TCG)".
    name: str
    kernel: str
    #: The docker host URL (``unix:///...``) that any Docker client can use.
    docker_host: str


class Engine(Protocol):
    """A running engine. Obtained from :mod:`lvslab.engine`, which starts what must be started."""

    @property
    def kind(self) -> Kind:
        """Which of the engines this is."""

    @property
    def client(self) -> docker.DockerClient:
        """A client of the engine's Docker API; one per engine object, safe to share by threads."""

    def info(self) -> EngineInfo:
        """Describe the engine. Raises EngineError when it does not answer."""

    def close(self) -> None:
        """Close connections. Whatever was started goes on running."""
