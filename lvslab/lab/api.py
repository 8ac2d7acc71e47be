"""What talking to the engine about a lab needs everywhere: errors in words, work in parallel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from lvslab.errors import ConflictError, EngineError, LabError

_WORKERS = 8

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turn whatever the engine refuses within into a LabError that says ``what`` was tried.

    Raises ConflictError for a name or subnet that is taken, EngineError when the engine is gone.
    """
    try:
        yield
    except APIError as error:
        said = " ".join(str(error.explanation or error).split())
        taken = "overlaps" in said or "already in use" in said or "already exists" in said
        if taken:
            raise ConflictError(
                f"{what}: {said}", fix="remove what is in the way, or change the topology"
            ) from error
        raise LabError(
            f"{what}: the engine refused: {said}", fix="lvslab doctor looks for the cause"
        ) from error
    except (DockerException, RequestException, OSError) as error:
        raise EngineError(
            f"{what}: the engine does not answer: {error}", fix="lvslab doctor"
        ) from error


def in_parallel(items: Sequence[Item], do: Callable[[Item], Result]) -> list[Result]:
    """Do something with every item at once; results in the items' order.

    After the first failure nothing more is begun; what was begun is waited for, and the
    failure of the first item in order is raised, with the others as notes. The same when
    the wait is interrupted.
    """
    if not items:
        return []
    pool = ThreadPoolExecutor(max_workers=min(_WORKERS, len(items)), thread_name_prefix="lab")
    futures = [pool.submit(do, item) for item in items]
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
    except BaseException as interrupted:
        pool.shutdown(wait=True, cancel_futures=True)
        for failure in _failures(futures):
            interrupted.add_note(f"meanwhile: {failure}")
        raise
    pool.shutdown(wait=True, cancel_futures=True)
    failures = _failures(futures)
    if failures:
        for other in failures[1:]:
            failures[0].add_note(f"also: {other}")
        raise failures[0]
    return [future.result() for future in futures]


def _failures(futures: Sequence[Future[Result]]) -> list[BaseException]:
    ended = [f.exception() for f in futures if f.done() and not f.cancelled()]
    return [error for error in ended if error is not None]
