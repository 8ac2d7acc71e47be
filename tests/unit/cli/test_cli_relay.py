from __future__ import annotations

import pytest

from lvslab.cli.relay import one_request


@pytest.mark.parametrize(
    "hop", [b"", b"Connection: keep-alive\r\n", b"KEEP-ALIVE: 5\r\n", b"Proxy-Connection: x\r\n"]
)
def test_the_connection_ends_after_one_request(hop: bytes) -> None:
    head = b"GET /a HTTP/1.1\r\nHost: x\r\n" + hop + b"Accept: */*\r\n\r\nbody Connection: x\r\n"
    assert one_request(head) == (
        b"GET /a HTTP/1.1\r\nConnection: close\r\nHost: x\r\nAccept: */*\r\n\r\n"
        b"body Connection: x\r\n"
    )


def test_a_body_is_left_as_it_is() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\n\r\nConnection: keep-alive\r\n"
    assert one_request(head).endswith(b"\r\n\r\nConnection: keep-alive\r\n")
