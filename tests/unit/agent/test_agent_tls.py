"""Requests over TLS, one and on a schedule, against a server of the test's own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lvslab.agent import fetch, probe
from lvslab.agent.kept import Kept

from .probing import told

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfrom rs1\n"
#: How a connection is treated, before its handshake or after.
Manner = str


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate that nobody vouches for, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=rs1"
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*words.split(), *files], check=True, capture_output=True, timeout=60)
    both = folder / "both.pem"
    both.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return both


class Server:
    """A real server that speaks TLS, and treats each connection as it is told."""

    def __init__(self, certificate: Path, manner: Manner = "serve") -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._manner = manner
        self._sock = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._sock.getsockname()[1]
        #: Who ended each connection first.
        self.closed_by: list[str] = []
        self._held: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def target(self, **more: Any) -> dict[str, Any]:
        return {"vip": "127.0.0.1", "port": self.port, "path": "/x", "tls": True} | more

    def close(self) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        for one in self._held:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._sock.accept()
            except OSError:
                return
            threading.Thread(target=self._treat, args=(connection,), daemon=True).start()

    def _treat(self, connection: socket.socket) -> None:
        if self._manner == "mute":
            self._held.append(connection)
        elif self._manner == "reset":
            connection.recv(1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, probe.RESET_ON_CLOSE)
            connection.close()
        elif self._manner == "close":
            connection.recv(4096)
            connection.close()
        elif self._manner == "plain":
            connection.recv(4096)
            connection.sendall(ANSWER)
            connection.close()
        else:
            with (
                contextlib.suppress(ssl.SSLError),
                self._context.wrap_socket(connection, server_side=True) as secured,
            ):
                self._serve(secured)

    def _serve(self, secured: ssl.SSLSocket) -> None:
        rest = b""
        while piece := secured.recv(4096):
            *whole, rest = (rest + piece).split(b"\r\n\r\n")
            for head in whole:
                secured.sendall(ANSWER)
                if b"Connection: close" not in head:
                    continue
                # As Apache does: its goodbye, then its end, and it waits for the client's.
                secured.setblocking(False)
                with contextlib.suppress(ssl.SSLWantReadError):
                    secured.unwrap()
                with socket.socket(fileno=os.dup(secured.fileno())) as raw:
                    # A client that takes the goodbye for the end would end it now.
                    raw.settimeout(0.1)
                    try:
                        raw.recv(1)
                        self.closed_by.append("client")
                    except TimeoutError:
                        self.closed_by.append("server")
                    raw.shutdown(socket.SHUT_WR)
                    raw.settimeout(10.0)
                    raw.recv(1)
                return


@pytest.fixture
def serving(certificate: Path) -> Iterator[Callable[..., Server]]:
    """Make servers, which end with the test."""
    made: list[Server] = []

    def make(manner: Manner = "serve") -> Server:
        made.append(Server(certificate, manner))
        return made[-1]

    yield make
    for server in made:
        server.close()


def run(
    targets: list[dict[str, Any]], count: int, how: str = "short", **more: Any
) -> list[dict[str, Any]]:
    """Probe until ``count`` results were told; return all lines."""
    kind = probe.Probe if how == "short" else Kept
    return told(
        targets, count, kind, **({"rate": 100, "deadline": 10.0, "connections": how} | more)
    )


def results(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted((x for x in lines if x["ev"] == "probe.result"), key=lambda x: x["seq"])


def test_a_request_over_tls_is_answered_by_a_server_that_nobody_vouches_for(serving) -> None:
    server = serving()
    told = fetch.once("127.0.0.1", server.port, "/x", 10.0, secure=True)
    assert (told["result"], told["server"], told["detail"]) == ("ok", "rs1", "")
    assert fetch.once("127.0.0.1", server.port, "/x", 10.0)["result"] in ("bad", "reset")


@pytest.mark.parametrize(
    ("manner", "result", "detail"),
    [
        ("plain", "bad", "TLS: WRONG_VERSION_NUMBER"),
        ("close", "bad", "TLS: closed in the middle"),
        ("reset", "reset", "ECONNRESET"),
        ("mute", "timeout", None),
    ],
)
def test_what_goes_wrong_in_a_handshake_is_told(serving, manner, result, detail, monkeypatch):
    monkeypatch.setattr(probe, "GRACE", 0.1)
    server = serving(manner)
    deadline = 0.3 if manner == "mute" else 10.0
    one = fetch.once("127.0.0.1", server.port, "/x", deadline, secure=True)
    assert (one["result"], one["detail"] or None) == (result, detail)
    for how in ("short", "kept"):
        told = results(run([server.target()], 1, how, deadline=deadline))
        assert (told[0]["result"], told[0]["detail"]) == (result, detail)
        if manner == "mute":
            assert abs(told[0]["end"] - told[0]["start"] - deadline) < 1e-5


def test_the_schedule_waits_for_no_handshake_and_plain_targets_are_asked_beside(serving) -> None:
    good, mute = serving(), serving("mute")
    plain = serving("plain")
    targets = [good.target(), mute.target(), plain.target(tls=False)]
    lines = run(targets, 8, deadline=1.0)
    said = [line["result"] for line in results(lines)]
    assert {*said[0::3]} == {*said[2::3]} == {"ok"}
    assert {*said[1::3]} == {"timeout"}
    for line in results(lines):
        assert 0 <= line["start"] - line["due"] < 1.0
    stopped = lines[-1]
    assert stopped["sent"] == len(said) == sum(stopped["by_result"].values())


def test_the_server_ends_a_connection_first(serving) -> None:
    server = serving()
    lines = run([server.target()], 6)
    assert {line["result"] for line in results(lines)} == {"ok"}
    # Its goodbye comes before its end: who took that for the end would have been the first.
    assert {*server.closed_by} == {"server"}


@pytest.mark.parametrize("how", ["kept", "stream"])
def test_one_handshake_serves_a_connection_that_lasts(serving, how: str) -> None:
    server = serving()
    lines = run([server.target()], 12, how)
    assert {line["result"] for line in results(lines)} == {"ok"}
    assert [line for line in lines if line["ev"] == "probe.connection"] == []


def test_the_agent_knows_nothing_of_ssl_until_a_target_wants_it() -> None:
    code = (
        "import sys; import agent.core, agent.probe, agent.kept, agent.probes;"
        "assert 'ssl' not in sys.modules and 'agent.tls' not in sys.modules;"
        "from agent import fetch; fetch.tls_ready(); assert 'ssl' in sys.modules"
    )
    folder = Path(fetch.__file__).parents[1]
    environment = {"PYTHONPATH": str(folder), "PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=60)
