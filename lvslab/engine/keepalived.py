"""Asks keepalived itself what it thinks of files, in a throw-away container."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from lvslab.engine.ipvs_check import node_image
from lvslab.engine.throwaway import throw_away
from lvslab.errors import EngineError

if TYPE_CHECKING:
    import docker

    from lvslab.lint.asked import Question


def ask(client: docker.DockerClient, questions: Sequence[Question]) -> list[str] | None:
    """Return what was printed to each question; None where the engine has no keepalived.

    Raises EngineError.
    """
    with _answering():
        image = node_image(client)
        return None if image is None else [_one(client, image, q) for q in questions]


def _one(client: docker.DockerClient, image: str, question: Question) -> str:
    return throw_away(
        client,
        image,
        question.argv,
        what="keepalived",
        # Before it starts: nothing of the asker's machine is mounted.
        made=lambda own: client.api.put_archive(own, "/", question.archive),
        cap_add=["NET_ADMIN", "NET_RAW"],
        network_mode="none",
    )


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except APIError as error:
        raise EngineError(
            f"keepalived was not asked: the engine refused: {error.explanation or error}",
            fix="lvslab doctor looks for the cause",
        ) from error
    except (DockerException, RequestException) as error:
        raise EngineError(f"the engine does not answer: {error}", fix="lvslab doctor") from error
