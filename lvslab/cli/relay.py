"""The proxy from a port of this machine to a VIP, by way of a client node.

Each connection of the browser carries one request, and becomes one connection from the client
to the VIP: so each is balanced anew, and a reload shows the next real server.
"""

from __future__ import annotations

import re
import socket
import socketserver
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker.errors import DockerException

from lvslab.cli import stream
from lvslab.execstream import STDERR

if TYPE_CHECKING:
    from docker.api import APIClient

#: Runs in the client: joins its stdin and stdout to a connection to the VIP.
RELAY = """
import socket, sys, threading
try:
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
except OSError as error:
    sys.exit(f"{sys.argv[1]}:{sys.argv[2]}: {error}")
s.settimeout(None)
def up():
    while data := sys.stdin.buffer.raw.read(65536):
        s.sendall(data)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := s.recv(65536):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
"""
#: The same over TLS, in one thread: what TLS keeps of a connection is not for two. The lab's
#: certificates are made in it, and nobody vouches for them.
RELAY_TLS = """
import os, select, socket, ssl, sys
try:
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    s = context.wrap_socket(s)
except OSError as error:
    sys.exit(f"{sys.argv[1]}:{sys.argv[2]}: {error}")
ends = [0, s]
while True:
    there = select.select(ends, [], [])[0]
    if 0 in there:
        data = os.read(0, 65536)
        if data:
            s.settimeout(None)
            s.sendall(data)
        else:
            ends.remove(0)
    if s in there:
        s.settimeout(0)
        try:
            data = s.recv(65536)
        except ssl.SSLWantReadError:
            continue
        if not data:
            break
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
"""
MAX_HEAD = 65536
#: Seconds that a browser has to send the head of its request.
HEAD_SECONDS = 30.0
# A header about the connection itself, which must not get through (RFC 9110, section 7.6.1).
_HOP = re.compile(rb"^(?:connection|keep-alive|proxy-connection):.*\r\n", re.I | re.M)


@dataclass(frozen=True, slots=True)
class Served:
    """One request that went through."""

    request: str
    #: The status of the answer; None when none came.
    status: int | None
    seconds: float
    #: Why there was no answer.
    error: str = ""


def one_request(head: bytes) -> bytes:
    """Return a request's head so changed that the connection ends after it.

    What came of the body already is left as it is.
    """
    line, _, rest = head.partition(b"\r\n")
    fields, blank, body = (b"\r\n" + rest).partition(b"\r\n\r\n")
    kept = _HOP.sub(b"", fields[2:] + b"\r\n") if fields else b""
    return line + b"\r\nConnection: close\r\n" + kept + blank[2:] + body


class Relay(socketserver.ThreadingTCPServer):
    """Listens on 127.0.0.1 only. ``on_served`` is called from the threads of the requests."""

    allow_reuse_address = True
    daemon_threads = True
    # A thread that waits for its browser must not keep the program.
    block_on_close = False

    def __init__(
        self,
        port: int,
        api: APIClient,
        client: str,
        target: tuple[str, int],
        on_served: Callable[[Served], None],
        *,
        tls: bool = False,
    ) -> None:
        self.api = api
        self.client = client
        self.relay = ["python3", "-c", RELAY_TLS if tls else RELAY, target[0], str(target[1])]
        self.on_served = on_served
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a browser that closes its connection early is everyday."""
        del request, client_address


class _Handler(socketserver.BaseRequestHandler):
    server: Relay
    request: socket.socket

    def handle(self) -> None:
        head = self._head()
        if not head:
            return
        line = head.split(b"\r\n", 1)[0].decode("latin-1")
        if line.split(" ")[1:2] == ["/favicon.ico"]:
            # Asked for beside every page, it would take every other turn of the scheduler.
            self.request.sendall(
                b"HTTP/1.1 204 No Content\r\nCache-Control: max-age=86400\r\n"
                b"Connection: close\r\n\r\n"
            )
            return
        began = time.monotonic()
        status, error = self._pass(one_request(head))
        self.server.on_served(Served(line, status, time.monotonic() - began, error))

    def _head(self) -> bytes:
        self.request.settimeout(HEAD_SECONDS)
        data = b""
        try:
            while b"\r\n\r\n" not in data and len(data) < MAX_HEAD:
                more = self.request.recv(65536)
                if not more:
                    return b""  # Browsers open connections that they then do not use.
                data += more
        except TimeoutError:
            return b""
        self.request.settimeout(None)
        return data

    def _pass(self, request: bytes) -> tuple[int | None, str]:
        answer = bytearray()
        said = bytearray()

        def deliver(which: int, data: bytes) -> None:
            if which == STDERR:
                said.extend(data)
            else:
                if len(answer) < 64:
                    answer.extend(data[:64])
                self.request.sendall(data)

        try:
            stream.run(
                self.server.api,
                self.server.client,
                self.server.relay,
                stdin=self.request.fileno(),
                first=request,
                on_output=deliver,
            )
        except DockerException as error:
            said.extend(str(error).encode())
        if answer:
            match = re.match(rb"HTTP/\S+ (\d{3})", answer)
            return (int(match[1]) if match else None), ""
        why = said.decode("utf-8", "replace").strip() or "the connection was closed"
        body = f"lvslab: no answer from the VIP: {why}\n".encode()
        self.request.sendall(
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        return None, why
