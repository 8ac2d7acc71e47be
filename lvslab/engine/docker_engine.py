"""The Docker engine that the user's environment names: DOCKER_HOST, or the Docker context."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import docker
import requests
from docker.context import ContextAPI
from docker.errors import DockerException
from docker.tls import TLSConfig
from docker.utils import kwargs_from_env

from lvslab.engine.base import EngineInfo, Kind
from lvslab.errors import EngineError

#: Seconds for one request: an engine under load may take long to start a container.
_TIMEOUT = 120
_POOL = 32
#: What containers with sysctls, static addresses and labels need (Docker 20.10).
MIN_API = (1, 41)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an engine is, and what says so."""

    url: str
    #: "DOCKER_HOST", "Docker context 'name'".
    source: str
    tls: TLSConfig | None = None


class DockerEngine:
    """A Docker engine that lvslab did not start."""

    kind: Kind = "docker"

    def __init__(self, client: docker.DockerClient, endpoint: Endpoint) -> None:
        self._client = client
        self.endpoint = endpoint

    @classmethod
    def connect(cls) -> DockerEngine:
        """Connect to the engine that the environment names, and hear it answer.

        Raises EngineError that says which engine that is, why it cannot be used and what to do.
        """
        endpoint = find_endpoint()
        if endpoint.url.startswith("ssh://"):
            raise EngineError(
                "an engine over ssh:// gives no streams that lvslab can use",
                where=f"{endpoint.url} ({endpoint.source})",
                fix="forward its socket: ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST, "
                "then DOCKER_HOST=unix:///tmp/docker.sock",
            )
        return cls(_answering(endpoint), endpoint)

    @property
    def client(self) -> docker.DockerClient:
        """See Engine.client."""
        return self._client

    def info(self) -> EngineInfo:
        """See Engine.info."""
        try:
            shown = self._client.info()
        except (DockerException, requests.RequestException) as error:
            raise EngineError(
                f"the engine does not answer: {error}", where=self.endpoint.url
            ) from error
        return EngineInfo(
            kind="docker",
            name=f"Docker {shown.get('ServerVersion', '?')} at {self.endpoint.url}",
            kernel=str(shown.get("KernelVersion", "?")),
            docker_host=self.endpoint.url,
        )

    def close(self) -> None:
        """Close connections; the engine is the user's and goes on."""
        self._client.close()


def find_endpoint() -> Endpoint:
    """Return where the user's engine is: DOCKER_HOST, DOCKER_CONTEXT, the current context.

    That is the order of Docker's own command line. Raises EngineError for a context that
    does not exist or cannot be read.
    """
    host = os.environ.get("DOCKER_HOST")
    if host:
        return Endpoint(host, "DOCKER_HOST", _env_tls())
    named = os.environ.get("DOCKER_CONTEXT")
    try:
        context = ContextAPI.get_context(named) if named else ContextAPI.get_current_context()
    except (DockerException, OSError, ValueError, KeyError) as error:
        raise EngineError(
            f"the Docker context cannot be read: {error}", fix="docker context ls"
        ) from error
    if context is None:
        raise EngineError(
            f"there is no Docker context {named!r}",
            where="DOCKER_CONTEXT" if named else None,
            fix="docker context ls",
        )
    url = context.Host or "unix:///var/run/docker.sock"
    return Endpoint(url, f"Docker context {context.Name!r}", context.TLSConfig or None)


def _env_tls() -> TLSConfig | None:
    """Return the TLS settings that go with DOCKER_HOST (DOCKER_TLS_VERIFY, DOCKER_CERT_PATH)."""
    if not os.environ.get("DOCKER_TLS_VERIFY"):
        return None
    found = kwargs_from_env().get("tls")
    return found if isinstance(found, TLSConfig) else None


def _answering(endpoint: Endpoint) -> docker.DockerClient:
    try:
        client = docker.DockerClient(
            base_url=endpoint.url,
            version="auto",
            timeout=_TIMEOUT,
            tls=endpoint.tls or False,
            max_pool_size=_POOL,
        )
    except (DockerException, requests.RequestException, OSError, ValueError) as error:
        raise classify(error, endpoint) from error
    version = tuple(int(part) for part in client.api.api_version.split("."))
    if version < MIN_API:
        client.close()
        raise EngineError(
            f"the engine's API is {client.api.api_version}, too old for lvslab",
            where=f"{endpoint.url} ({endpoint.source})",
            fix="upgrade to Docker 20.10 (API 1.41) or later",
        )
    return client


def classify(
    error: Exception, endpoint: Endpoint, *, exists: Callable[[str], bool] = os.path.exists
) -> EngineError:
    """Say why an engine did not answer and what to do, from the error of the first request."""
    where = f"{endpoint.url} ({endpoint.source})"
    causes = _causes(error)
    local = endpoint.url.startswith("unix://")
    path = endpoint.url.removeprefix("unix://")
    if any(isinstance(c, PermissionError) for c in causes):
        return EngineError(
            "permission denied: this user may not use the Docker engine",
            where=where,
            fix="as root: usermod -aG docker USER; then log in again (members of group docker "
            "have the power of root)",
        )
    if any(isinstance(c, FileNotFoundError) for c in causes) and not exists(path):
        return EngineError(
            "there is no Docker engine: its socket does not exist",
            where=where,
            fix="install and start one (apt-get install docker.io; systemctl start docker), or "
            "use --engine embedded",
        )
    if any(isinstance(c, ConnectionRefusedError) for c in causes):
        return EngineError(
            "the Docker engine is down: nothing listens" + (" at its socket" if local else ""),
            where=where,
            fix="systemctl start docker (as root), or use --engine embedded",
        )
    said = " ".join(str(error).split())
    return EngineError(
        f"the Docker engine cannot be used: {said}",
        where=where,
        fix="check with: docker version; or use --engine embedded",
    )


def _causes(error: BaseException) -> list[BaseException]:
    """Return the error and everything it came from, also what requests hides in arguments."""
    found: list[BaseException] = []
    todo: list[BaseException] = [error]
    while todo:
        one = todo.pop()
        if one in found:
            continue
        found.append(one)
        todo.extend(c for c in (one.__cause__, one.__context__) if c is not None)
        todo.extend(a for a in one.args if isinstance(a, BaseException))
    return found
