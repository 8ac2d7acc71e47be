"""What a probe says to a virtual server, and what it makes of what comes back.

A target of an order is asked in its own language: HTTP, with TLS or without; DNS over UDP or TCP;
or a plain datagram. What each is, and who judges it, is :mod:`agent.fetch`'s and
:mod:`agent.asking`'s; here they are made alike.
"""

from __future__ import annotations

import socket

from . import asking, fetch
from .proto import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Judged = tuple[str, str, str]

#: The most octets that a datagram has (its length field has 16 bits, RFC 768).
_DATAGRAM = 65535


class Language:
    """One way to ask one target."""

    #: A stream, whose octets add up until it ends, or datagrams, each whole by itself.
    kind = socket.SOCK_STREAM
    #: Octets that are read at once.
    most = 16384
    #: Whether the client is done with the answer, and closes; else it waits for the server's end.
    closes_first = True

    #: What is sent, where that is always the same.
    _octets = b""

    def octets(self, seq: int) -> bytes:
        """Return what is sent as request ``seq``."""
        del seq
        return self._octets

    def judge(self, data: bytes, seq: int, *, ended: bool) -> Judged | None:
        """Judge what came for request ``seq``: (result, server, detail), None: not all there yet.

        ``data``: of a stream all that came so far, and ``ended`` that the server sends no more;
        of datagrams the last one.
        """
        raise NotImplementedError


class Http(Language):
    """A page of a web server, which closes first: so no TIME_WAIT stays in the client."""

    closes_first = False

    def __init__(self, target: dict[str, Any]) -> None:
        self._octets = fetch.request(target["vip"], target.get("path", "/"))

    def judge(self, data: bytes, seq: int, *, ended: bool) -> Judged | None:
        """Judge an answer, or a part of it."""
        del seq
        return fetch.answer(data, ended=ended)


class Datagrams(Language):
    """A datagram that comes back, with who got it before it."""

    kind = socket.SOCK_DGRAM
    most = _DATAGRAM

    def __init__(self, target: dict[str, Any]) -> None:
        self._octets = str(target.get("payload", asking.PAYLOAD)).encode()

    def judge(self, data: bytes, seq: int, *, ended: bool) -> Judged | None:
        """Judge the first datagram that came; whatever it is, it is the answer."""
        del seq, ended
        return asking.judge_datagram(data, self._octets)


class Dns(Language):
    """The A record of a name, over UDP. The question's id is the request's number."""

    kind = socket.SOCK_DGRAM
    most = _DATAGRAM

    def __init__(self, target: dict[str, Any]) -> None:
        self._name = str(target.get("name", asking.NAME))
        try:
            asking.query(self._name, 0)
        except ValueError as error:  # a letter that is not of ASCII, a label beyond an octet
            raise Refused(
                f"nobody can ask DNS for {self._name!r}", "letters, digits, hyphens, dots"
            ) from error

    def octets(self, seq: int) -> bytes:
        """Return the question, whose id is ``seq`` to 16 bits."""
        return asking.query(self._name, seq & 0xFFFF)

    def judge(self, data: bytes, seq: int, *, ended: bool) -> Judged | None:
        """Judge a datagram; one that answers another question is not ours."""
        del ended
        if not data:
            return "bad", "", "an empty datagram"
        return asking.judge_dns(data, self.octets(seq))


class DnsOverTcp(Dns):
    """The same over TCP, each message with its length before it (RFC 1035 section 4.2.2).

    The client closes (RFC 7766 section 6.2.3): a server waits for more questions.
    """

    kind = socket.SOCK_STREAM
    most = Language.most

    def octets(self, seq: int) -> bytes:
        """Return the question behind its length."""
        asked = super().octets(seq)
        return len(asked).to_bytes(2, "big") + asked

    def judge(self, data: bytes, seq: int, *, ended: bool) -> Judged | None:
        """Judge the messages that are whole; one that answers another question is not ours."""
        asked = super().octets(seq)
        while len(data) >= 2 and len(data) >= (end := 2 + int.from_bytes(data[:2], "big")):
            judged = asking.judge_dns(data[2:end], asked)
            if judged is not None:
                return judged
            data = data[end:]
        if not ended:
            return None
        return "bad", "", "answer cut short" if data else "closed without an answer"


_SPOKEN = {
    ("HTTP", "TCP"): Http,
    ("DNS", "UDP"): Dns,
    ("DNS", "TCP"): DnsOverTcp,
    ("UDP", "UDP"): Datagrams,
}


def of(target: dict[str, Any]) -> Language:
    """Return the language of a target of an order. Raises Refused where there is none such."""
    name, protocol = _named(target)
    spoken = _SPOKEN.get((name, protocol))
    if spoken is None:
        known = ", ".join(f"{one} over {by}" for one, by in _SPOKEN)
        raise Refused(f"nobody speaks {name} over {protocol}", f"one of {known}")
    if target.get("tls") and spoken is not Http:
        raise Refused(f"nobody speaks {name} over TLS", "tls is for HTTP")
    return spoken(target)


def key(target: dict[str, Any]) -> str:
    """Return what a target is called: ``VIP:PORT``, with ``/udp`` where it is UDP."""
    udp = "/udp" if _named(target)[1] == "UDP" else ""
    return f"{target['vip']}:{int(target['port'])}{udp}"


def check(targets: Iterable[dict[str, Any]], *, lasting: bool) -> None:
    """Raise Refused where a target cannot be asked; ``lasting``: over a connection that lasts."""
    for target in targets:
        if not isinstance(of(target), Http) and lasting:
            raise Refused(
                f"{key(target)} cannot be asked over a connection that lasts",
                "HTTP can; ask the others by connections: short",
            )


def _named(target: dict[str, Any]) -> tuple[str, str]:
    name = str(target.get("language", "HTTP"))
    return name, str(target.get("protocol", "TCP" if name == "HTTP" else "UDP"))
