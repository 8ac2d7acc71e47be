"""Asks the whole segment for an address (RFC 826), as a client's kernel does: who answers?

The kernel takes the first answer and says nothing of a second one; here each is heard.
"""

from __future__ import annotations

import socket
import struct

from .proto import now

_ETH_P_ARP = 0x0806
_BROADCAST = b"\xff" * 6
#: Ethernet, IPv4, 6 and 4 octets; opcodes.
_HEAD = struct.pack("!HHBB", 1, 0x0800, 6, 4)
_REQUEST, _REPLY = 1, 2


def question(own_mac: bytes, own: str, address: str, mark: bytes) -> bytes:
    """Return the frame. ``mark``: 6 octets where the MAC asked for goes, which nobody reads.

    By its mark one question is told from all others in a recording.
    """
    sender = own_mac + socket.inet_aton(own)
    body = _HEAD + struct.pack("!H", _REQUEST) + sender + mark + socket.inet_aton(address)
    return _BROADCAST + own_mac + struct.pack("!H", _ETH_P_ARP) + body


def answer(frame: bytes, own_mac: bytes, address: str) -> str | None:
    """Return the MAC of a frame that is an answer to us for the address, else None."""
    if len(frame) < 42 or frame[12:14] != struct.pack("!H", _ETH_P_ARP):
        return None
    opcode, mac, sender, target = struct.unpack_from("!H6s4s6s", frame, 20)
    if opcode != _REPLY or sender != socket.inet_aton(address) or target != own_mac:
        return None
    return str(mac.hex(":"))


def ask(interface: str, own: str, address: str, mark: bytes, seconds: float) -> list[str]:
    """Ask once and return the MAC of every answer within ``seconds``. Blocks. Raises OSError."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ARP)) as sock:
        sock.bind((interface, _ETH_P_ARP))
        own_mac = sock.getsockname()[4]
        sock.send(question(own_mac, own, address, mark))
        until, answers = now() + seconds, []
        while (left := until - now()) > 0:
            sock.settimeout(left)
            try:
                mac = answer(sock.recv(128), own_mac, address)
            except TimeoutError:
                break
            if mac is not None:
                answers.append(mac)
        return answers
