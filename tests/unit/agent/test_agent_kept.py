"""The probe over connections that last, against a server of the test's own."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvslab.agent import fetch, probe
from lvslab.agent.kept import Kept

from .probing import told

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfrom rs1\n"
#: The server answers so many requests of a connection, then does as it is told.
Behaviour = str


class Server:
    """Answers ``count`` requests a connection; then ends it, resets it, or falls silent."""

    def __init__(self, count: int, then: Behaviour) -> None:
        self._count, self._then = count, then
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.port = self._sock.getsockname()[1]
        self.connections: list[int] = []
        self.silent: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._sock.accept()
            except OSError:
                return
            self.connections.append(0)
            threading.Thread(
                target=self._answer, args=(connection, len(self.connections) - 1), daemon=True
            ).start()

    def _answer(self, connection: socket.socket, index: int) -> None:
        rest = b""
        while piece := connection.recv(4096):
            *whole, rest = (rest + piece).split(b"\r\n\r\n")
            for _ in whole:
                if self.connections[index] == self._count:
                    if self._then == "silent":
                        self.silent.append(connection)
                        return
                    if self._then == "reset":
                        linger = b"\1\0\0\0\0\0\0\0"
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    connection.close()
                    return
                self.connections[index] += 1
                connection.sendall(ANSWER)

    def close(self) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        for one in self.silent:
            one.close()


def run(server: Server, how: str, count: int, deadline: float = 5.0) -> list[dict[str, Any]]:
    """Probe until ``count`` results were told; return all lines."""
    target = {"vip": "127.0.0.1", "port": server.port, "path": "/"}
    lines = told([target], count, Kept, rate=400, deadline=deadline, connections=how)
    server.close()
    return lines


def results(lines: list[dict[str, Any]]) -> list[str]:
    found = sorted((x for x in lines if x["ev"] == "probe.result"), key=lambda x: x["seq"])
    assert [x["seq"] for x in found] == list(range(len(found)))
    return [x["result"] for x in found]


def ended(lines: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(x["number"], x["result"]) for x in lines if x["ev"] == "probe.connection"]


@pytest.mark.parametrize("how", ["kept", "stream"])
def test_one_connection_carries_all_while_it_works(how: str):
    server = Server(10**6, "silent")
    lines = run(server, how, 12)
    assert set(results(lines)) == {"ok"}
    assert ended(lines) == []
    (answered,) = server.connections
    assert answered >= 12
    stopped = lines[-1]
    assert stopped["sent"] == stopped["by_result"]["ok"]


@pytest.mark.parametrize("then", ["end", "reset"])
def test_a_kept_one_that_ends_is_followed_by_another(then: str):
    server = Server(4, then)
    lines = run(server, "kept", 12)
    said = results(lines)
    # What was asked behind the last answer is lost with the connection, and perhaps an answer
    # that was not read before the reset; what is asked then goes over another.
    assert set(said) == {"ok", "reset"}
    lost = said.index("reset")
    assert lost <= 4
    assert "ok" in said[lost:]
    assert [number for number, _ in ended(lines)][:2] == [1, 2]
    assert len(server.connections) >= 2
    assert max(server.connections) == 4


def test_a_stream_that_ends_is_not_replaced():
    server = Server(4, "reset")
    lines = run(server, "stream", 12)
    said = results(lines)
    lost = said.index("reset")
    assert 0 < lost <= 4
    assert set(said[lost:]) == {"reset"}
    assert ended(lines) == [(1, "reset")]
    assert len(server.connections) == 1


def test_a_kept_one_without_an_answer_is_given_up_and_a_stream_is_not(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(probe, "GRACE", 0.05)
    server = Server(2, "silent")
    lines = run(server, "stream", 6, deadline=0.05)
    said = results(lines)
    assert said[:2] == ["ok", "ok"]
    assert set(said[2:]) == {"timeout"}
    assert ended(lines) == []


def test_nobody_listens():
    server = Server(0, "end")
    free = socket.create_server(("127.0.0.1", 0))
    server.port = free.getsockname()[1]
    free.close()
    assert set(results(run(server, "kept", 3))) == {"refused"}


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5), st.integers(0, 400))
def test_answers_are_cut_where_they_end(bodies: list[bytes], cut: int):
    stream = b"".join(
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(b), b) for b in bodies
    )
    data, found = stream[:cut], []
    while (end := fetch.length(data)) is not None:
        found.append(data[:end].partition(b"\r\n\r\n")[2])
        data = data[end:]
    assert found == bodies[: len(found)]
    assert len(b"".join(found)) + len(data) <= len(stream)
    if cut >= len(stream):
        assert found == bodies
        assert data == b""
