"""One HTTP request as a client of the VIP makes it, and what became of it."""

from __future__ import annotations

import errno
import socket

from .proto import now

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from typing import Any

#: What an errno of connect, send or recv means for the client; any other is ``bad``.
RESULT_OF_ERRNO = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.ENOTCONN: "reset",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",
}
#: A real server says who it is: ``from 172.20.1.10``.
_MARK = b"from "
#: Bytes of an answer that are kept: more is no page of the lab.
ANSWER_LIMIT = 65536


def request(vip: str, path: str) -> bytes:
    """Return the request's bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: {vip}\r\nConnection: close\r\n\r\n".encode()


def keeping(vip: str, path: str) -> bytes:
    """Return the bytes of a request whose connection stays open."""
    return f"GET {path} HTTP/1.1\r\nHost: {vip}\r\n\r\n".encode()


def length(data: bytes) -> int | None:
    """Return how many bytes the first answer has, or None: not all there yet.

    An answer without a Content-Length would end with the connection; the lab has none such.
    """
    head, found, _ = data.partition(b"\r\n\r\n")
    if not found:
        return None
    body = 0
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.lower() == b"content-length" and value.strip().isdigit():
            body = int(value)
    whole = len(head) + 4 + body
    return whole if len(data) >= whole else None


def failure(code: int) -> tuple[str, str]:
    """Return result and detail of an errno."""
    return RESULT_OF_ERRNO.get(code, "bad"), errno.errorcode.get(code, str(code))


def failed(error: OSError) -> tuple[str, str]:
    """Return result and detail of what a socket raised, with TLS in it or without."""
    # ssl.SSLError has a number of its own as its errno; it alone has a library.
    if hasattr(error, "library"):
        from . import tls

        return tls.failure(error)
    return failure(error.errno or 0)


def answer(data: bytes, *, ended: bool) -> tuple[str, str, str] | None:
    """Judge what was received so far: (result, server, detail), or None: not all there yet.

    ``ended`` says that the server has closed its side. Complete is an answer whose
    Content-Length is there, or that has ended.
    """
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        if len(data) > ANSWER_LIMIT:
            return "bad", "", "no end of header"
        return ("bad", "", "closed without an answer") if ended else None
    length = -1
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.lower() == b"content-length" and value.strip().isdigit():
            length = int(value)
    if not ended and len(data) <= ANSWER_LIMIT and (length < 0 or len(body) < length):
        return None
    if len(body) < length:
        return "bad", "", "answer cut short"
    server = ""
    _, found, tail = body.partition(_MARK)
    if found:
        server = (tail.split(None, 1) or [b""])[0].decode("ascii", "replace")
    status = head[9:12].decode("ascii", "replace")
    if status != "200":
        return "bad", server, f"status {status}"
    if not server:
        return "bad", "", "not a page of the lab"
    return "ok", server, ""


def once(
    vip: str, port: int, path: str, deadline: float, *, secure: bool = False
) -> dict[str, Any]:
    """Make one request, blocking up to ``deadline`` seconds: {result, server, ms, detail}.

    ``secure``: over TLS, whose handshake is a part of it.
    """
    wrap = tls_ready().wrapped if secure else None
    start = now()
    result, server, detail, end = _once(vip, port, path, start + deadline, wrap)
    ms = round((end - start) * 1000, 3)
    return {"result": result, "server": server, "detail": detail, "ms": ms}


def tls_ready() -> Any:
    """Return the module for TLS, after all was done that is done once."""
    from . import tls

    tls.context()
    return tls


def _once(
    vip: str,
    port: int,
    path: str,
    until: float,
    wrap: Callable[[socket.socket], ssl.SSLSocket] | None,
) -> tuple[str, str, str, float]:
    data = b""
    sock = socket.socket()
    try:
        try:
            sock.settimeout(max(until - now(), 0.001))
            sock.connect((vip, port))
            if wrap is not None:
                sock = secured = wrap(sock)
                secured.settimeout(max(until - now(), 0.001))
                secured.do_handshake()
            sock.sendall(request(vip, path))
            while True:
                sock.settimeout(max(until - now(), 0.001))
                piece = sock.recv(16384)
                data += piece
                judged = answer(data, ended=not piece)
                if judged is not None:
                    end = now()
                    if piece:
                        _await_end(sock)
                    return *judged, end
        except TimeoutError:
            return "timeout", "", "", now()
        except OSError as error:
            result, detail = failed(error)
            return result, "", detail, now()
    finally:
        sock.close()


def _await_end(sock: socket.socket) -> None:
    """Let the server close first: who closes first keeps the TIME_WAIT."""
    try:
        sock.settimeout(0.2)
        # Past TLS, where there is any: its goodbye comes before the end of the connection.
        while len(socket.socket.recv(sock, 16384)) > 0:
            continue
    except OSError:
        return
