"""What the probe says to targets that are not HTTP's, and what it makes of the answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lvslab.agent import asking, languages, probe
from lvslab.agent.probes import Probes
from lvslab.agent.proto import Refused, now

from .probing import told

OWN = "172.20.1.10"
RATE = 400.0
#: As dnsmasq 2.90 answered (``--address=/#/172.20.1.10``), without the id.
FLAGS = bytes.fromhex("85800001000100000000")
RECORD = bytes.fromhex("c00c00010001000000000004ac14010a")


def answered(question: bytes, *, other: int = 0) -> bytes:
    """Return the answer to a question, or to that with another id."""
    ident = (int.from_bytes(question[:2], "big") + other) & 0xFFFF
    return ident.to_bytes(2, "big") + FLAGS + question[12:] + RECORD


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2, "big") + message


def run_probe(count: int, *targets: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """Probe until ``count`` requests were told; return their lines by schedule, and the last."""
    lines = told(list(targets), count, **({"rate": RATE} | more))
    *results, stopped = lines
    # Each request is told once, and nothing else is.
    assert sorted(r["seq"] for r in results) == list(range(stopped["sent"]))
    assert sum(stopped["by_result"].values()) == stopped["sent"]
    return sorted(results, key=lambda line: line["seq"])


Reply = Callable[[bytes, tuple[str, int]], list[bytes]]


@contextmanager
def udp(reply: Reply) -> Iterator[int]:
    """Answer each datagram with those that ``reply`` makes of it and its sender."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                data, peer = sock.recvfrom(65535)
                if data == b"end":
                    return
                for said in reply(data, peer):
                    sock.sendto(said, peer)

        thread = threading.Thread(target=serve)
        thread.start()
        port: int = sock.getsockname()[1]
        try:
            yield port
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ending:
                ending.sendto(b"end", ("127.0.0.1", port))
            thread.join()


def target(port: int, language: str, protocol: str = "UDP", **more: Any) -> dict[str, Any]:
    return {"vip": "127.0.0.1", "port": port, "language": language, "protocol": protocol} | more


def outcomes(lines: list[dict[str, Any]]) -> set[tuple[str, str | None, str | None]]:
    return {(line["result"], line["server"], line["detail"]) for line in lines}


def test_a_datagram_tells_who_got_it_and_comes_from_the_port_that_was_planned() -> None:
    seen: list[tuple[bytes, int]] = []

    def reply(data: bytes, peer: tuple[str, int]) -> list[bytes]:
        seen.append((data, peer[1]))
        # The second one is nobody's: the first was the answer.
        return [f"from {OWN}\n".encode() + data, b"late word"]

    t0 = now()
    with udp(reply) as port:
        lines = run_probe(6, target(port, "UDP"), t0=t0)
    assert outcomes(lines) == {("ok", OWN, None)}
    assert {line["target"] for line in lines} == {f"127.0.0.1:{port}/udp"}
    assert seen[:6] == [(b"lvslab", probe.source_port(t0, RATE, seq)) for seq in range(6)]


@pytest.mark.parametrize("language", ["UDP", "DNS"])
def test_a_closed_port_refuses_by_icmp(language: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    assert outcomes(run_probe(2, target(port, language))) == {("refused", None, "ECONNREFUSED")}


@pytest.mark.parametrize(
    ("language", "said", "detail"),
    [
        ("UDP", b"", "not an answer of the lab"),
        ("UDP", b"from 10.0.0.1\nother", "not an answer of the lab"),
        ("DNS", b"", "an empty datagram"),
    ],
)
def test_what_is_no_answer_is_bad(language: str, said: bytes, detail: str) -> None:
    with udp(lambda _data, _peer: [said]) as port:
        assert outcomes(run_probe(2, target(port, language))) == {("bad", None, detail)}


def test_dns_waits_for_the_answer_to_its_own_question() -> None:
    names = []

    def reply(data: bytes, _peer: tuple[str, int]) -> list[bytes]:
        names.append(data[12:])
        return [answered(data, other=1), answered(data)]

    with udp(reply) as port:
        lines = run_probe(4, target(port, "DNS"))
    assert outcomes(lines) == {("ok", OWN, None)}
    assert set(names) == {asking.query("who.lvslab.test", 0)[12:]}


def test_an_answer_to_another_question_only_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "GRACE", 0.05)
    with udp(lambda data, _peer: [answered(data, other=1)]) as port:
        (line,) = run_probe(1, target(port, "DNS"), deadline=0.05, rate=0.1)
    assert (line["result"], line["server"]) == ("timeout", None)


def test_a_datagram_after_the_deadline_is_late() -> None:
    asked = now()
    deadline = 0.03

    def reply(data: bytes, _peer: tuple[str, int]) -> list[bytes]:
        while now() < asked + 2 * deadline:
            threading.Event().wait(0.01)
        return [b"from rs1\n" + data]

    with udp(reply) as port:
        (line,) = run_probe(1, target(port, "UDP"), deadline=deadline, rate=0.1)
    assert (line["result"], line["server"]) == ("late", "rs1")
    assert line["end"] > line["start"] + deadline


@contextmanager
def tcp(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Have ``serve`` see to each connection, one after the other."""
    server = socket.create_server(("127.0.0.1", 0), backlog=128)

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                serve(connection)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        server.close()


def test_dns_over_tcp_is_framed_and_the_client_closes() -> None:
    ends = []

    def serve(connection: socket.socket) -> None:
        data = connection.recv(512)
        assert int.from_bytes(data[:2], "big") == len(data) - 2
        whole = framed(answered(data[2:], other=1)) + framed(answered(data[2:]))
        for piece in (whole[:1], whole[1:50], whole[50:]):
            connection.sendall(piece)
        connection.settimeout(5)
        ends.append(connection.recv(1))

    with tcp(serve) as port:
        lines = run_probe(3, target(port, "DNS", "TCP"))
    assert outcomes(lines) == {("ok", OWN, None)}
    assert {line["target"] for line in lines} == {f"127.0.0.1:{port}"}
    assert set(ends) == {b""}


@pytest.mark.parametrize(
    ("kept", "detail"), [(0, "closed without an answer"), (40, "answer cut short")]
)
def test_a_connection_that_ends_before_the_answer_is_bad(kept: int, detail: str) -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(framed(answered(connection.recv(512)[2:]))[:kept])

    with tcp(serve) as port:
        assert outcomes(run_probe(2, target(port, "DNS", "TCP"))) == {("bad", None, detail)}


def test_each_target_is_asked_in_its_own_language() -> None:
    def page(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nfrom rs1")

    with (
        tcp(page) as web,
        udp(lambda data, _peer: [b"from rs2\n" + data]) as plain,
        udp(lambda data, _peer: [answered(data)]) as dns,
    ):
        http = {"vip": "127.0.0.1", "port": web, "path": "/"}
        lines = run_probe(6, http, target(plain, "UDP"), target(dns, "DNS"))
    assert [(line["result"], line["server"]) for line in lines[:6]] == [
        ("ok", "rs1"),
        ("ok", "rs2"),
        ("ok", OWN),
    ] * 2
    assert [line["target"] for line in lines[:3]] == [
        f"127.0.0.1:{web}",
        f"127.0.0.1:{plain}/udp",
        f"127.0.0.1:{dns}/udp",
    ]


def test_a_number_that_has_more_than_16_bits_is_a_question_all_the_same() -> None:
    dns = languages.of(target(53, "DNS"))
    asked = dns.octets(0x12345)
    assert asked[:2] == b"\x23\x45"
    assert dns.judge(answered(asked), 0x12345, ended=False) == ("ok", OWN, "")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"language": "SIP"}, "nobody speaks SIP over UDP"),
        ({"language": "HTTP"}, "nobody speaks HTTP over UDP"),
        ({"protocol": "TCP"}, "nobody speaks UDP over TCP"),
        ({"tls": True}, "nobody speaks UDP over TLS"),
        ({"language": "DNS", "name": "\u00fc.test"}, "nobody can ask DNS for"),
        ({"language": "DNS", "name": "a" * 300}, "nobody can ask DNS for"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_a_probe_is_made(
    changes: dict[str, Any], what: str
) -> None:
    order = {"probe": "p", "rate": 50, "deadline": 1.0, "targets": [target(514, "UDP") | changes]}
    with pytest.raises(Refused, match=what) as caught:
        Probes(None, None, None, "client").start(order)  # type: ignore[arg-type]
    assert caught.value.fix


@pytest.mark.parametrize("connections", ["kept", "stream"])
def test_a_connection_that_lasts_is_of_http_alone(connections: str) -> None:
    targets = [{"vip": "10.0.0.1", "port": 80}, target(53, "DNS", "TCP")]
    order = {"probe": "p", "rate": 50, "deadline": 1.0, "targets": targets}
    with pytest.raises(Refused, match=r"\.1:53 cannot be asked over a connection that lasts"):
        Probes(None, None, None, "client").start(  # type: ignore[arg-type]
            order | {"connections": connections}
        )
    languages.check(targets[:1], lasting=True)
    languages.check(targets, lasting=False)
