from __future__ import annotations

import os
import socket
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvslab.agent import probe
from lvslab.agent.probe import SKIP_AFTER, due_at, next_index
from lvslab.agent.proto import now

from .probing import told

rates = st.floats(0.1, 100)
starts = st.floats(0, 1e6)
counts = st.integers(0, 10**6)


@given(starts, rates, counts)
def test_the_schedule_is_a_multiple_not_a_sum(t0: float, rate: float, k: int) -> None:
    assert due_at(t0, rate, 0) == t0
    assert abs((due_at(t0, rate, k) - t0) * rate - k) < 1e-3


@given(starts, rates, counts, st.floats(-1, SKIP_AFTER * 0.99))
def test_a_little_late_is_made_up_for(t0: float, rate: float, k: int, late: float) -> None:
    assert next_index(t0, rate, k, due_at(t0, rate, k) + late) == k


@given(starts, rates, counts, st.floats(SKIP_AFTER * 1.01, 1000))
def test_much_too_late_is_skipped(t0: float, rate: float, k: int, late: float) -> None:
    t = due_at(t0, rate, k) + late
    following = next_index(t0, rate, k, t)
    assert following >= k
    # The next one is the first that is still to come: no burst, and no hole after it.
    assert due_at(t0, rate, following) >= t - 1e-6
    assert due_at(t0, rate, following) - t <= 1 / rate + 1e-6


def run_probe(targets: list[dict[str, Any]], count: int, **more: Any) -> list[dict[str, Any]]:
    """Run a probe in a thread until it has reported ``count`` requests; return its lines."""
    return told(targets, count, **({"rate": 400} | more))


class Server:
    """Answers every connection with the same bytes, or resets it."""

    def __init__(self, answer: bytes | None) -> None:
        self._answer = answer
        self._sock = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._sock.getsockname()[1]
        self.requests: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._sock.accept()
            except OSError:
                return
            with connection:
                self.requests.append(connection.recv(4096))
                if self._answer is None:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                else:
                    connection.sendall(self._answer)

    def target(self) -> dict[str, Any]:
        return {"vip": "127.0.0.1", "port": self.port, "path": "/x"}

    def close(self) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()


def test_targets_in_turn_and_every_request_reported_once() -> None:
    good = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfrom rs1\n")
    bad = Server(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    resetting = Server(None)
    lines = run_probe([good.target(), bad.target(), resetting.target()], 12)
    *results, stopped = lines
    for server in (good, bad, resetting):
        server.close()
    results.sort(key=lambda line: line["seq"])
    assert [line["seq"] for line in results] == list(range(len(results)))
    outcome = [(line["result"], line["server"]) for line in results[:6]]
    assert outcome == [("ok", "rs1"), ("bad", None), ("reset", None)] * 2
    assert results[1]["detail"] == "status 404"
    assert results[0]["target"] == f"127.0.0.1:{good.port}"
    assert results[0]["due"] <= results[0]["start"] <= results[0]["end"] == results[0]["t"]
    assert stopped["sent"] == len(results) == sum(stopped["by_result"].values())
    assert (stopped["skipped"], stopped["dropped"]) == (0, 0)
    assert stopped["max_late"] >= max(line["start"] - line["due"] for line in results) - 1e-5
    assert good.requests[0] == (b"GET /x HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")


def test_nobody_listens() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        target = {"vip": "127.0.0.1", "port": sock.getsockname()[1]}
        lines = run_probe([target], 3)
    assert {line["result"] for line in lines[:-1]} == {"refused"}
    assert lines[0]["detail"] == "ECONNREFUSED"


def test_an_answer_after_the_deadline_is_late() -> None:
    # Accepted by the kernel, answered only once the test has seen the deadline pass.
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        deadline = 0.1

        def answer_late() -> None:
            connection, _ = server.accept()
            with connection:
                asked = now()
                connection.recv(4096)
                while now() < asked + 1.5 * deadline:
                    connection.settimeout(deadline)
                    try:
                        connection.recv(1)
                    except TimeoutError:
                        continue
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 8\r\n\r\nfrom rs1")

        thread = threading.Thread(target=answer_late)
        thread.start()
        target = {"vip": "127.0.0.1", "port": server.getsockname()[1]}
        lines = run_probe([target], 1, deadline=deadline, rate=0.1)
        thread.join()
    assert lines[0]["result"] == "late"
    assert lines[0]["server"] == "rs1"
    assert lines[0]["end"] > lines[0]["start"] + deadline


def test_never_answered_is_a_timeout_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "GRACE", 0.1)  # how long it is waited for a late answer after that
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        target = {"vip": "127.0.0.1", "port": server.getsockname()[1]}
        lines = run_probe([target], 1, deadline=0.05, rate=0.1)
    assert lines[0]["result"] == "timeout"
    assert abs(lines[0]["end"] - lines[0]["start"] - 0.05) < 1e-5


def test_a_port_comes_again_only_after_ipvs_forgot_it():
    """IPVS remembers a connection for 120 s after a FIN, and for 300 s after a datagram."""
    rate = 50.0
    last: dict[int, float] = {}
    # Probes of two minutes, one right after the other, as repeated faults make them.
    for begin in range(0, 1200, 120):
        t0 = 1234.5 + begin
        for seq in range(int(120 * rate)):
            port = probe.source_port(t0, rate, seq)
            t = t0 + seq / rate
            assert t - last.get(port, -1e9) > 300
            assert 1024 < port < 32768
            last[port] = t


def test_requests_come_from_the_ports_that_were_planned():
    seen = []
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        order: dict[str, Any] = {
            "probe": "p",
            "rate": 50.0,
            "deadline": 1.0,
            "t0": now(),
            "targets": [{"vip": "127.0.0.1", "port": server.getsockname()[1], "path": "/"}],
        }
        out, control = os.pipe(), os.pipe()
        thread = threading.Thread(
            target=lambda: probe.Probe("client", order, out[1], control[0]).run()
        )
        thread.start()
        for _ in range(5):
            connection, address = server.accept()
            seen.append(address[1])
            connection.close()
        os.close(control[1])
        server.close()
        thread.join(20)
    for fd in (out[0], out[1], control[0]):
        os.close(fd)
    assert seen == [probe.source_port(order["t0"], 50.0, seq) for seq in range(5)]
