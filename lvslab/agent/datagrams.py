"""``python3 -m agent.datagrams ADDRESS PORT...``: answers datagrams, and says who it is.

Each is answered with ``from ADDRESS``, a newline and the datagram itself, from the address that it
was sent to: the node's own or a VIP. A port may be followed by ``:PAYLOAD=REPLY`` (hexadecimal, any
number of them): that very datagram is answered with that reply, for a check that wants certain
octets. Imports nothing of the agent's: it also runs where there is no agent.
"""

from __future__ import annotations

import select
import signal
import socket
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

#: ip(7); Python has no name for it before 3.14.
_IP_PKTINFO = 8
#: struct in_pktinfo of ip(7): interface, the address to answer from, the address asked.
_PKTINFO = struct.Struct("=i4s4s")
#: What fits into one datagram over IPv4 (RFC 768, RFC 791: 65535 less both headers).
_LIMIT = 65507
#: Datagrams that are answered before another port has its turn.
_BURST = 64


def listen(port: int) -> socket.socket:
    """Return a socket for a port of every address, also of one that comes later. Raises OSError."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    sock.setblocking(False)
    sock.bind(("0.0.0.0", port))
    return sock


def reply_to(datagram: bytes, address: str, known: dict[bytes, bytes]) -> bytes:
    """Return the answer to a datagram."""
    if datagram in known:
        return known[datagram]
    return (f"from {address}\n".encode() + datagram)[:_LIMIT]


def answer(sock: socket.socket, address: str, known: dict[bytes, bytes]) -> bool:
    """Answer one datagram; return whether there was one. Raises OSError."""
    try:
        data, ancillary, _, peer = sock.recvmsg(65535, socket.CMSG_SPACE(_PKTINFO.size))
    except BlockingIOError:
        return False
    source = b"\0" * 4
    for level, kind, value in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
            _, _, source = _PKTINFO.unpack(value)
    # The kernel would choose the address by the route: never the VIP, and the client waits for it.
    control = (socket.IPPROTO_IP, _IP_PKTINFO, _PKTINFO.pack(0, source, b"\0" * 4))
    sock.sendmsg([reply_to(data, address, known)], [control], 0, peer)
    return True


def parse(word: str) -> tuple[int, dict[bytes, bytes]]:
    """Return the port and the known replies of an argument. Raises ValueError."""
    port, *pairs = word.split(":")
    known = {}
    for pair in pairs:
        payload, _, reply = pair.partition("=")
        known[bytes.fromhex(payload)] = bytes.fromhex(reply)
    return int(port), known


def serve(address: str, ports: list[tuple[int, dict[bytes, bytes]]]) -> None:
    """Answer at every port, for ever. Raises OSError when a port cannot be had."""
    poll = select.epoll()
    served = {}
    for port, known in ports:
        sock = listen(port)
        served[sock.fileno()] = (sock, known)
        poll.register(sock, select.EPOLLIN)
    while True:
        for fd, _ in poll.poll():
            sock, known = served[fd]
            try:
                for _ in range(_BURST):
                    if not answer(sock, address, known):
                        break
            except OSError as error:
                # One that cannot be answered (no route back) is no reason to leave the others.
                sys.stderr.write(f"datagram not answered: {error}\n")


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def main(words: list[str]) -> int:
    """Serve until SIGTERM; return the exit status (1: a port is taken, 2: bad arguments)."""
    signal.signal(signal.SIGTERM, _end)
    try:
        address, ports = words[0], [parse(word) for word in words[1:]]
    except (IndexError, ValueError) as error:
        sys.stderr.write(f"datagrams: ADDRESS PORT[:PAYLOAD=REPLY]...: {error}\n")
        return 2
    try:
        serve(address, ports)
    except OSError as error:
        sys.stderr.write(f"datagrams: {error}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
