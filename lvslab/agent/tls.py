"""TLS as the clients of a lab speak it.

Imported where a target wants it, and nowhere else: ssl costs a node time and memory, and most labs
need none of it.
"""

from __future__ import annotations

import select
import socket
import ssl
from functools import cache

#: A socket that has no answer yet, in one of TLS's two ways to say so.
WAITING = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


@cache
def context() -> ssl.SSLContext:
    """Return the one context of this process; what is made of it is not resumed.

    A real server's certificate is its own, made for the lab: there is nobody to vouch for it, and
    keepalived verifies none either (build_ssl_ctx() of its check_ssl.c sets no SSL_VERIFY_PEER).
    Sessions are not kept: the next connection may be another real server's, which knows none of
    them, and a client that comes once is what the probe stands for.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    # One cheap key share a handshake: OpenSSL 3.5 would make one of ML-KEM as well.
    made.set_ecdh_curve("prime256v1")
    return made


def wrapped(sock: socket.socket) -> ssl.SSLSocket:
    """Return a connected socket with TLS in it, its handshake still to be done.

    The descriptor stays the same one. Raises OSError when the connection has ended meanwhile.
    """
    return context().wrap_socket(sock, do_handshake_on_connect=False)


def handshake(sock: ssl.SSLSocket) -> int:
    """Go on with a nonblocking handshake; return what epoll has to wait for, 0 when it is done.

    Raises OSError, of which :func:`failure` tells where it is TLS's own.
    """
    try:
        sock.do_handshake()
    except ssl.SSLWantReadError:
        return select.EPOLLIN
    except ssl.SSLWantWriteError:
        return select.EPOLLOUT
    return 0


def failure(error: OSError) -> tuple[str, str]:
    """Return result and detail of what TLS itself has to complain of."""
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "bad", "TLS: closed in the middle"
    return "bad", f"TLS: {getattr(error, 'reason', None) or error.strerror or 'it failed'}"


def ended(sock: ssl.SSLSocket) -> bool:
    """Return whether the connection below TLS has ended, too. Raises OSError.

    The server's close_notify comes before its FIN: who closes at the first would be the one who
    closes first, and keeps the TIME_WAIT.
    """
    try:
        return not socket.socket.recv(sock, 16384)
    except BlockingIOError:
        return False
