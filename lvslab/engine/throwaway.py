"""A container that does one thing and is gone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from docker.errors import DockerException, NotFound
from requests.exceptions import RequestException

from lvslab import labels

if TYPE_CHECKING:
    import docker


def throw_away(
    client: docker.DockerClient,
    image: str,
    argv: Sequence[str],
    *,
    what: str,
    made: Callable[[str], object] = lambda _id: None,
    **host_config: Any,
) -> str:
    """Run a program in a container of its own and return what it printed, errors included.

    ``what`` labels it, so that it is taken for no node; ``made`` is told its id before it starts.
    The engine removes it itself, once it was started. Raises the docker SDK's errors.
    """
    api = client.api
    container = api.create_container(
        image,
        list(argv),
        detach=True,
        labels={labels.CHECK: what},
        host_config=api.create_host_config(auto_remove=True, **host_config),
    )
    own = str(container["Id"])
    try:
        made(own)
        output: Iterable[bytes] = api.attach(own, stdout=True, stderr=True, stream=True)
        api.start(own)
        said = b"".join(output).decode(errors="replace")
        with contextlib.suppress(NotFound):  # gone already
            api.wait(own, condition="removed")
        return said
    except BaseException:
        # Never started, it would stay: auto_remove acts when a container ends.
        with contextlib.suppress(NotFound, DockerException, RequestException):
            api.remove_container(own, force=True)
        raise
