"""One request that is not HTTP, a datagram or a question of DNS, and what became of it.

Each has a socket of its own, and so a source port of its own: IPVS keeps a UDP "connection" of
one address and port at its real server for minutes. The socket is connected: only an answer from
the VIP itself is taken, and an ICMP that the port is closed is an error of it (udp(7)).
"""

from __future__ import annotations

import os
import socket
import struct

from .fetch import failure
from .proto import now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Judged = tuple[str, str, str]

#: What a DNS server is asked for, when nothing is said; ``.test`` is nobody's (RFC 6761).
NAME = "who.lvslab.test"
#: What a datagram says, when nothing is said.
PAYLOAD = "lvslab"
_MARK = b"from "
_HEADER = struct.Struct("!6H")  # id, flags, questions, answers, authorities, additional
_RECORD = struct.Struct("!HHIH")  # type, class, ttl, length of the data
_A, _IN = 1, 1
_RECURSION_DESIRED, _RESPONSE = 0x0100, 0x8000


def query(name: str, ident: int) -> bytes:
    """Return the question for a name's A record (RFC 1035 section 4)."""
    labels = [label.encode("ascii") for label in name.split(".") if label]
    text = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    header = _HEADER.pack(ident, _RECURSION_DESIRED, 1, 0, 0, 0)
    return header + text + struct.pack("!HH", _A, _IN)


def judge_dns(data: bytes, asked: bytes) -> Judged | None:
    """Judge an answer to a question: (result, server, detail); None: it is of another one."""
    if len(data) < _HEADER.size:
        return None
    ident, flags, _, answers, _, _ = _HEADER.unpack_from(data)
    if ident != _HEADER.unpack_from(asked)[0] or not flags & _RESPONSE:
        return None
    if flags & 0xF:
        return "bad", "", f"rcode {flags & 0xF}"
    # A server repeats the question, octet by octet.
    at = len(asked)
    try:
        for _ in range(answers):
            at = _skip_name(data, at)
            kind, _, _, length = _RECORD.unpack_from(data, at)
            at += _RECORD.size
            if kind == _A and length == 4:
                return "ok", socket.inet_ntoa(data[at : at + 4]), ""
            at += length
    except (IndexError, struct.error, OSError):
        return "bad", "", "answer cut short"
    return "bad", "", "no address in the answer"


def _skip_name(data: bytes, at: int) -> int:
    """Return where a name ends: after a zero, or after a pointer (RFC 1035 section 4.1.4)."""
    while data[at]:
        if data[at] >= 0xC0:
            return at + 2
        at += data[at] + 1
    return at + 1


def judge_datagram(data: bytes, sent: bytes) -> Judged:
    """Judge an answer to a datagram: (result, server, detail)."""
    first, _, rest = data.partition(b"\n")
    if not first.startswith(_MARK) or rest != sent:
        return "bad", "", "not an answer of the lab"
    return "ok", first[len(_MARK) :].decode("ascii", "replace"), ""


def once(order: dict[str, Any], deadline: float) -> dict[str, Any]:
    """Make one request, blocking up to ``deadline`` seconds: {result, server, ms, detail}.

    ``order``: ``vip``, ``port``, ``language`` (DNS or UDP), and as they apply ``protocol``
    (UDP), ``name``, ``payload`` (text).
    """
    start = now()
    result, server, detail = _once(order, start + deadline)
    ms = round((now() - start) * 1000, 3)
    return {"result": result, "server": server, "detail": detail, "ms": ms}


def _once(order: dict[str, Any], until: float) -> Judged:
    place = str(order["vip"]), int(order["port"])
    tcp = order.get("protocol", "UDP") == "TCP"
    dns = order["language"] == "DNS"
    if dns:
        sent = query(str(order.get("name", NAME)), int.from_bytes(os.urandom(2), "big"))
    else:
        sent = str(order.get("payload", PAYLOAD)).encode()
    kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
    try:
        with socket.socket(socket.AF_INET, kind) as sock:
            _patience(sock, until)
            sock.connect(place)
            # RFC 1035 section 4.2.2: over TCP each message has its length before it.
            sock.sendall(len(sent).to_bytes(2, "big") + sent if tcp else sent)
            while True:
                data = _framed(sock, until) if tcp else _datagram(sock, until)
                judged = judge_dns(data, sent) if dns else judge_datagram(data, sent)
                if judged is not None:
                    return judged
                if tcp:
                    return "bad", "", "closed without an answer"
    except TimeoutError:
        return "timeout", "", ""
    except OSError as error:
        result, detail = failure(error.errno or 0)
        return result, "", detail


def _datagram(sock: socket.socket, until: float) -> bytes:
    _patience(sock, until)
    return sock.recv(65535)


def _framed(sock: socket.socket, until: float) -> bytes:
    """Return one message of a stream; less, where the stream ends before."""
    data = b""
    while len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2], "big"):
        piece = _datagram(sock, until)
        if not piece:
            break
        data += piece
    return data[2:]


def _patience(sock: socket.socket, until: float) -> None:
    left = until - now()
    if left <= 0:
        raise TimeoutError
    sock.settimeout(left)
