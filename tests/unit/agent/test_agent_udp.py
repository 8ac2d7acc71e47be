"""Datagrams: the program that answers them, and who asks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lvslab.agent import asking, datagrams, services

ROOT = Path(datagrams.__file__).parents[1]
OWN = "172.20.1.10"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


@pytest.fixture
def served() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The program itself, at a free port, as the agent starts it."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "agent.datagrams", OWN, f"{port}:abcd=0102:ff=00"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
    )
    # It is there as soon as the agent would call it ready.
    waited = threading.Event()
    for _ in range(200):
        if port in services.listening("udp"):
            break
        waited.wait(0.05)
    yield port, process
    process.kill()
    process.wait()


def asked(address: str, port: int, data: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((address, port))
        sock.send(data)
        return sock.recv(65535)


def test_it_answers_from_the_address_that_was_asked(
    served: tuple[int, subprocess.Popen[bytes]],
) -> None:
    port, _ = served
    # Connected sockets: an answer from any other address would not arrive.
    for address in ("127.0.0.1", "127.0.0.2", "127.9.8.7"):
        assert asked(address, port, b"hello\n\0") == b"from 172.20.1.10\nhello\n\0"
    assert asked("127.0.0.1", port, b"") == b"from 172.20.1.10\n"
    assert len(asked("127.0.0.1", port, b"x" * 65507)) == 65507


def test_a_check_that_wants_certain_octets_gets_them(
    served: tuple[int, subprocess.Popen[bytes]],
) -> None:
    port, _ = served
    assert asked("127.0.0.1", port, b"\xab\xcd") == b"\x01\x02"
    assert asked("127.0.0.1", port, b"\xff") == b"\0"
    assert asked("127.0.0.1", port, b"\xab").startswith(b"from ")


def test_it_ends_on_sigterm(served: tuple[int, subprocess.Popen[bytes]]) -> None:
    port, process = served
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert port not in services.listening("udp")


def test_a_port_that_is_taken_ends_it(served: tuple[int, subprocess.Popen[bytes]]) -> None:
    port, _ = served
    assert datagrams.main([OWN, str(port)]) == 1
    assert datagrams.main([]) == 2
    assert datagrams.main([OWN, "5x"]) == 2


def test_asking_says_who_answered(served: tuple[int, subprocess.Popen[bytes]]) -> None:
    port, process = served
    order = {"vip": "127.0.0.2", "port": port, "language": "UDP"}
    answer = asking.once(order, 5.0)
    assert (answer["result"], answer["server"], answer["detail"]) == ("ok", OWN, "")
    assert asking.once(order | {"payload": "\u00ff"}, 5.0)["result"] == "ok"
    process.kill()
    process.wait()
    gone = asking.once(order, 5.0)
    assert (gone["result"], gone["detail"]) == ("refused", "ECONNREFUSED")


def test_silence_is_a_timeout() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        order = {"vip": "127.0.0.1", "port": sock.getsockname()[1], "language": "UDP"}
        assert asking.once(order, 0.05)["result"] == "timeout"
        answer = asking.once(order | {"language": "DNS"}, 0.05)
        assert answer["result"] == "timeout"
        assert answer["ms"] >= 50


def test_an_answer_that_is_not_the_labs_is_bad() -> None:
    assert asking.judge_datagram(b"from 10.0.0.1\nab", b"ab") == ("ok", "10.0.0.1", "")
    assert asking.judge_datagram(b"from 10.0.0.1\nab", b"a")[0] == "bad"
    assert asking.judge_datagram(b"", b"")[0] == "bad"


#: As dnsmasq 2.90 answered (``--address=/#/172.20.1.10 --local=/#/``), the id put in.
ANSWER = bytes.fromhex("85800001000100000000")
RECORD = bytes.fromhex("c00c00010001000000000004ac14010a")


def test_a_question_of_dns_is_what_the_rfc_says() -> None:
    question = asking.query("who.lab.", 0x1234)
    assert question.hex() == "123401000001000000000000" + "0377686f036c616200" + "00010001"
    assert asking.query(".", 1)[12:] == b"\0\0\1\0\1"


def test_an_answer_of_dns_says_who() -> None:
    asked_ = asking.query("who.lab", 7)
    good = b"\0\x07" + ANSWER + asked_[12:] + RECORD
    assert asking.judge_dns(good, asked_) == ("ok", "172.20.1.10", "")
    # Another question's, and a question itself: waited on.
    assert asking.judge_dns(b"\0\x08" + good[2:], asked_) is None
    assert asking.judge_dns(asked_, asked_) is None
    assert asking.judge_dns(b"\0\x07", asked_) is None


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (bytes.fromhex("000785850001000000000000"), "rcode 5"),
        (bytes.fromhex("000785800001000000000000"), "no address in the answer"),
        (b"\0\x07" + ANSWER, "answer cut short"),
    ],
)
def test_another_answer_of_dns_is_bad(answer: bytes, detail: str) -> None:
    asked_ = asking.query("who.lab", 7)
    if detail != "answer cut short":
        answer += asked_[12:]
    assert asking.judge_dns(answer, asked_) == ("bad", "", detail)


def test_a_record_that_is_no_address_is_passed_over() -> None:
    asked_ = asking.query("a", 7)
    alias = b"\1b\0" + bytes.fromhex("00050001000000000003") + b"\1c\0"
    two = bytes.fromhex("000785800001000200000000") + asked_[12:] + alias + RECORD
    assert asking.judge_dns(two, asked_) == ("ok", "172.20.1.10", "")


def test_dns_over_tcp_has_its_length_before_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                data = peer.recv(512)
                said = data[2:4] + ANSWER + data[14:] + RECORD
                peer.sendall(len(said).to_bytes(2, "big"))
                peer.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        port = server.getsockname()[1]
        order = {"vip": "127.0.0.1", "port": port, "language": "DNS", "protocol": "TCP"}
        told = asking.once(order, 5.0)
        thread.join()
    assert (told["result"], told["server"]) == ("ok", "172.20.1.10")


UDP = """\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
14282: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000  0 0 93427 2 0 0
 8009: 0100007F:9C41 0100007F:0035 01 00000000:00000000 00:00000000 00000000  0 0 94412 2 0 0
"""


def test_a_udp_socket_that_is_connected_listens_to_nobody() -> None:
    assert services.parse_listening(UDP, "07") == {53}
