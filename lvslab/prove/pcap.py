"""The classic pcap file format, read as it comes: header, then records. Pure.

https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html: the magic number tells octet
order and whether fractions are microseconds or nanoseconds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from lvslab.errors import LvslabError

_HEADER, _RECORD = 24, 16
_ETHERNET = 1
#: Magic as it stands in the file: octet order, and fractions a second.
_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1e6),
    b"\xa1\xb2\xc3\xd4": (">", 1e6),
    b"\x4d\x3c\xb2\xa1": ("<", 1e9),
    b"\xa1\xb2\x3c\x4d": (">", 1e9),
}
#: No frame of a lab is longer (offloads make up to 64 KiB of one).
_LONGEST = 1 << 18


class PcapError(LvslabError):
    """Octets that are no pcap of Ethernet frames."""


class Reader:
    """Takes a pcap in pieces of any size."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rest = b""
        self._order = ""
        self._fraction = 1e6

    def feed(self, data: bytes) -> Iterator[tuple[float, bytes]]:
        """Yield time (seconds, wall clock of what captured) and octets of each whole frame.

        Raises PcapError.
        """
        self._rest += data
        if not self._order:
            if len(self._rest) < _HEADER:
                return
            self._begin()
        while len(self._rest) >= _RECORD:
            seconds, fraction, kept, _ = struct.unpack_from(self._order + "IIII", self._rest)
            if kept > _LONGEST:
                raise PcapError(f"a frame of {kept} octets: not a pcap", where=self._name)
            if len(self._rest) < _RECORD + kept:
                return
            frame = self._rest[_RECORD : _RECORD + kept]
            self._rest = self._rest[_RECORD + kept :]
            yield seconds + fraction / self._fraction, frame

    def _begin(self) -> None:
        magic = self._rest[:4]
        if magic not in _MAGIC:
            raise PcapError("not a pcap (pcapng is not read)", where=self._name)
        self._order, self._fraction = _MAGIC[magic]
        (link,) = struct.unpack_from(self._order + "I", self._rest, 20)
        if link & 0xFFFF != _ETHERNET:
            raise PcapError(f"link type {link & 0xFFFF}, not Ethernet", where=self._name)
        self._rest = self._rest[_HEADER:]


def read(data: bytes, name: str = "pcap") -> list[tuple[float, bytes]]:
    """Return all frames of a whole pcap. Raises PcapError."""
    return list(Reader(name).feed(data))
