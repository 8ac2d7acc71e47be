"""The connection to one node's agent (docs/agent.md): commands in, replies and events out.

It is the container's own stdin and stdout, attached over the engine's API: one request when
it is opened, none for what follows.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import queue
import socket
import struct
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any, cast

from docker.errors import APIError, DockerException, NotFound
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ReadTimeout, RequestException

from lvslab.closing import Closing
from lvslab.errors import AgentError, EngineError, LabError, NotReadyError

if TYPE_CHECKING:
    from docker.models.containers import Container

#: Docker's multiplexed stream: one byte stream number, three of padding, a big-endian length
#: (Docker Engine API, "ContainerAttach").
_HEADER = struct.Struct(">BxxxL")
_STDOUT = 1
_STREAMS = (0, 1, 2)
#: ``tail`` is counted by the engine before it leaves out stdout: ask for more than is shown.
_LOG_TAIL = 500
#: Seconds within which the engine notices that a container whose stream ended is dead.
_DEATH_TIMEOUT = 3

Event = dict[str, Any]


def last_log_lines(container: Container, count: int = 8) -> list[str]:
    """Return the last lines that a node's services logged; none when the engine has none."""
    try:
        raw = container.logs(stdout=False, stderr=True, tail=_LOG_TAIL)
    except (DockerException, RequestException):
        return []
    return bytes(raw).decode(errors="replace").splitlines()[-count:]


def with_log(text: str, container: Container) -> str:
    """Return ``text`` followed by the node's last log lines."""
    lines = last_log_lines(container)
    if not lines:
        return f"{text} (it has logged nothing)"
    return "\n    ".join([f"{text}; its last log lines:", *lines])


class Subscription(Closing):
    """Events of one or more agents, in order of arrival, from the moment of subscribing.

    Iterating ends when the subscription is closed. Raises AgentError once an agent that it
    listens to is gone and everything that came before was taken.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Event | LabError | None] = queue.SimpleQueue()
        self._sources: list[AgentLink] = []

    def add(self, link: AgentLink) -> None:
        """Hear another agent too. Raises AgentError when its stream is closed."""
        self._sources.append(link)
        link._listen(self)

    def put(self, item: Event | LabError) -> None:
        """Hand over an event, or what ended the stream."""
        self._queue.put(item)

    def get(self, timeout: float | None = None) -> Event | None:
        """Return the next event; None when ``timeout`` seconds passed or it was closed.

        Raises AgentError when an agent is gone.
        """
        try:
            item = self._queue.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(item, LabError):
            raise item
        return item

    def __iter__(self) -> Iterator[Event]:
        while (event := self.get()) is not None:
            yield event

    def close(self) -> None:
        """Stop listening; a waiting :meth:`get` returns None."""
        for link in self._sources:
            link._unlisten(self)
        self._queue.put(None)


class AgentLink(Closing):
    """An open stream to the agent of one node. Safe to use from several threads.

    Any number of links to one agent can be open at once: each sees every event, and takes
    the replies to its own requests. May be opened before the container is started; requests
    then wait for it.
    """

    def __init__(self, container: Container, node: str) -> None:
        """Attach. Raises EngineError when the engine refuses."""
        self.node = node
        self._container = container
        self._prefix = uuid.uuid4().hex[:12]
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._waiting: dict[str, Future[dict[str, Any]]] = {}
        self._listeners: list[Subscription] = []
        self._gone: Exception | None = None
        self._closed = False
        self._socket, self._read = _attach(container, node)
        self._reader = threading.Thread(target=self._run, name=f"agent-{node}", daemon=True)
        self._reader.start()

    @property
    def alive(self) -> bool:
        """Whether the stream is open."""
        return self._gone is None and not self._closed

    def send(self, do: str, **params: Any) -> Future[dict[str, Any]]:
        """Send a command without waiting; the future is for :meth:`wait`.

        Raises AgentError when the stream is closed.
        """
        ident = f"{self._prefix}-{next(self._ids)}"
        future: Future[dict[str, Any]] = Future()
        line = json.dumps({"do": do, "id": ident, **params}, separators=(",", ":")) + "\n"
        with self._lock:
            if not self.alive:
                raise self._error()
            self._waiting[ident] = future
        try:
            with self._write_lock:
                self._socket.sendall(line.encode())
        except OSError as error:
            with self._lock:
                self._waiting.pop(ident, None)
                self._gone = self._gone or error
            raise self._error() from error
        return future

    def wait(self, future: Future[dict[str, Any]], *, do: str, timeout: float) -> dict[str, Any]:
        """Return the result of a command that was sent.

        ``timeout`` is in seconds. Raises AgentError when the agent refused or is gone,
        NotReadyError, with the node's last log lines, when it did not answer in time.
        """
        try:
            reply = future.result(timeout)
        except FutureTimeoutError:
            with self._lock:
                for ident in [i for i, f in self._waiting.items() if f is future]:
                    del self._waiting[ident]
            raise NotReadyError(
                with_log(f"did not answer {do!r} within {timeout:.1f} s", self._container),
                where=self.node,
                fix="look at the node with: lvslab status; lvslab heal undoes injected faults",
            ) from None
        except (OSError, ValueError, EOFError) as error:
            raise self._error() from error
        if not reply.get("ok"):
            raise AgentError(
                f"{do!r} was refused: {reply.get('error', 'no reason given')}",
                where=self.node,
                fix=reply.get("fix") or None,
            )
        result = reply.get("result")
        return result if isinstance(result, dict) else {}

    def request(self, do: str, *, timeout: float = 10.0, **params: Any) -> dict[str, Any]:
        """Send a command and return its result; see :meth:`send` and :meth:`wait`."""
        return self.wait(self.send(do, **params), do=do, timeout=timeout)

    def subscribe(self) -> Subscription:
        """Return this agent's events from now on. Raises AgentError when the stream is closed."""
        subscription = Subscription()
        subscription.add(self)
        return subscription

    def close(self) -> None:
        """Detach. The node goes on running; requests still waiting fail."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        with contextlib.suppress(OSError):  # already gone
            self._socket.shutdown(socket.SHUT_RDWR)
        if threading.current_thread() is not self._reader:
            self._reader.join()
        self._socket.close()

    def _listen(self, subscription: Subscription) -> None:
        with self._lock:
            if self.alive:
                self._listeners.append(subscription)
                return
        raise self._error()

    def _unlisten(self, subscription: Subscription) -> None:
        with self._lock:
            if subscription in self._listeners:
                self._listeners.remove(subscription)

    def _run(self) -> None:
        try:
            self._read_lines()
            ended: Exception = EOFError("the stream ended")
        except (OSError, ValueError) as error:
            ended = error
        with self._lock:
            self._gone = self._gone or ended
            waiting = list(self._waiting.values())
            self._waiting.clear()
            listeners = list(self._listeners)
        for future in waiting:
            future.set_exception(ended)
        if listeners:
            failure = self._error()
            for listener in listeners:
                listener.put(failure)

    def _read_lines(self) -> None:
        """Take the stream apart until it ends. Raises ValueError when it is not as agreed."""
        first, pending = True, b""
        for chunk in _stdout_chunks(self._read):
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                try:
                    message = json.loads(line)
                except ValueError:
                    # Whoever attaches while the agent writes may get the end of a line.
                    if not first:
                        raise ValueError(f"the agent wrote what is not JSON: {line!r}") from None
                else:
                    if isinstance(message, dict):
                        self._dispatch(message)
                first = False

    def _dispatch(self, message: dict[str, Any]) -> None:
        ident = message.get("re")
        if ident is not None:
            with self._lock:
                future = self._waiting.pop(str(ident), None)
            if future is not None:
                future.set_result(message)
        elif "ev" in message:
            with self._lock:
                listeners = list(self._listeners)
            for listener in listeners:
                listener.put(message)

    def _error(self) -> AgentError:
        """Say why the stream is closed, by asking the engine what became of the container."""
        if self._closed:
            return AgentError("the connection to the agent was closed", where=self.node)
        try:
            # The stream may end a moment before the engine counts the container as dead.
            code = self._container.wait(timeout=_DEATH_TIMEOUT)["StatusCode"]
        except NotFound:
            return AgentError(
                "its container was removed", where=self.node, fix="lvslab up makes it again"
            )
        except (ReadTimeout, RequestsConnectionError):
            return AgentError(
                f"the stream to the agent broke: {self._gone}",
                where=self.node,
                fix="run the command again; lvslab logs shows what the node says",
            )
        except (DockerException, RequestException) as error:
            return AgentError(
                f"the engine does not answer any more: {error}",
                where=self.node,
                fix="lvslab doctor",
            )
        return AgentError(
            with_log(f"its container died with exit code {code}", self._container),
            where=self.node,
            fix=f"lvslab heal {self.node} starts a node that was powered off again",
        )


def _attach(container: Container, node: str) -> tuple[socket.socket, Callable[[int], bytes]]:
    """Open the stream; returns the socket to write to and a function that reads from it."""
    params = {"stdin": 1, "stdout": 1, "stderr": 0, "stream": 1, "logs": 0}
    try:
        raw = container.attach_socket(params=params)
    except NotFound as error:
        raise AgentError(
            "its container is not there", where=node, fix="lvslab up makes it again"
        ) from error
    except (APIError, DockerException, RequestException) as error:
        raise EngineError(f"cannot attach to {node}: {error}", fix="lvslab doctor") from error
    sock = getattr(raw, "_sock", raw)
    if not isinstance(sock, socket.socket):
        raise EngineError(
            "a Docker engine over ssh:// gives no stream that lvslab can use",
            fix="forward its socket: ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST, "
            "then DOCKER_HOST=unix:///tmp/docker.sock",
        )
    sock.settimeout(None)
    # The HTTP client may have read past the answer's head: go on where it stopped, in its
    # own buffer, or the first frame is lost. docker-py keeps the answer on what it returns.
    buffered = cast("Any", raw)._response.raw._fp.fp
    return sock, buffered.read1


def _stdout_chunks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Take Docker's 8-byte frames off the stream. Raises ValueError for what is no frame."""
    pending = b""
    while chunk := read(65536):
        pending += chunk
        while len(pending) >= _HEADER.size:
            stream, length = _HEADER.unpack_from(pending)
            if stream not in _STREAMS:
                raise ValueError(f"no frame of an attached stream: {pending[:16]!r}")
            end = _HEADER.size + length
            if len(pending) < end:
                break
            if stream == _STDOUT:
                yield pending[_HEADER.size : end]
            pending = pending[end:]
