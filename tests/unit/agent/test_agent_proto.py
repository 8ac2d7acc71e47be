from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvslab.agent import proto
from lvslab.agent.proto import BUFFER_LIMIT, LINE_LIMIT, LineReader, Out, Refused


@given(st.lists(st.binary(min_size=1).filter(lambda b: b"\n" not in b and b.strip())), st.data())
def test_lines_come_out_as_they_went_in(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    reader, seen = LineReader(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        seen += reader.feed(stream[:cut])
        stream = stream[cut:]
    assert seen == lines


def test_an_endless_line_is_skipped_and_the_next_one_read() -> None:
    reader = LineReader()
    assert reader.feed(b"x" * (LINE_LIMIT + 1)) == []
    assert reader.feed(b"x" * 10) == []
    assert reader.feed(b"tail\nnext\n") == [b"next"]


class Pipe:
    """An Out on a pipe that is read only when told to."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.read_end, False)
        self.wanted: list[bool] = []
        self.out = Out(self.write_end, "lvs1", self.wanted.append)

    def read(self) -> bytes:
        data = b""
        while True:
            try:
                piece = os.read(self.read_end, 1 << 20)
            except BlockingIOError:
                return data
            data += piece


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    os.close(pipe.read_end)
    os.close(pipe.write_end)


def test_events_and_replies(pipe: Pipe) -> None:
    pipe.out.event("link", 12.3456789, interface="eth0", up=False)
    pipe.out.reply(7, {"a": 1})
    pipe.out.refuse("x", Refused("no", "do"))
    event, reply, refusal = map(json.loads, pipe.read().splitlines())
    assert event == {
        "t": 12.345679,
        "node": "lvs1",
        "ev": "link",
        "interface": "eth0",
        "up": False,
    }
    assert reply["re"] == 7
    assert reply["ok"] is True
    assert reply["result"] == {"a": 1}
    assert refusal["re"] == "x"
    assert (refusal["ok"], refusal["error"], refusal["fix"]) == (False, "no", "do")
    assert pipe.wanted == []


def test_a_reader_that_stalls_costs_adverts_and_never_whole_lines(pipe: Pipe) -> None:
    filler = "x" * 200
    sent = 3 * BUFFER_LIMIT // 250
    for number in range(sent):
        pipe.out.event("vrrp.advert", float(number), droppable=True, filler=filler)
    pipe.out.event("link", 1e6)
    assert pipe.wanted == [True]
    data = b""
    while True:
        piece = pipe.read()
        if not piece:
            break
        data += piece
        pipe.out.drain()
    lines = [json.loads(line) for line in data.splitlines()]
    adverts = [line["t"] for line in lines if line["ev"] == "vrrp.advert"]
    (dropped,) = [line for line in lines if line["ev"] == "dropped"]
    assert dropped["count"] + len(adverts) == sent
    assert adverts == sorted(adverts)
    assert adverts[-1] == sent - 1, "the oldest go first"
    assert [line["ev"] for line in lines][-2:] == ["link", "dropped"]
    assert pipe.wanted == [True, False]


def test_what_may_not_be_dropped_outlives_what_may(pipe: Pipe) -> None:
    while pipe.wanted != [True]:
        pipe.out.event("vrrp.advert", droppable=True)
    pipe.read()
    pipe.out.event("addr.del", 1.0)
    for _ in range(2 * BUFFER_LIMIT // 100):
        pipe.out.event("vrrp.advert", droppable=True, filler="x" * 80)
    pipe.out.drain()
    data = b""
    while piece := pipe.read():
        data += piece
        pipe.out.drain()
    assert sum(b'"ev":"addr.del"' in line for line in data.splitlines()) == 1


def test_nobody_reading_any_more_is_no_error() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    out = Out(write_end, "n", lambda _wanted: None)
    out.event("link")
    os.close(write_end)


def test_lines_share_a_write_up_to_a_pipe_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Pipe()
    while pipe.wanted != [True]:
        pipe.out.event("fill", x="y" * 300)
    for _ in range(100):
        pipe.out.event("fill", x="y" * 300)
    sizes: list[int] = []
    write = os.write

    def recorded(fd: int, data: bytes) -> int:
        sizes.append(len(data))
        return write(fd, data)

    monkeypatch.setattr(proto.os, "write", recorded)  # type: ignore[attr-defined]
    pipe.read()
    pipe.out.drain()
    assert max(sizes) <= proto.PIPE_BUF
    assert sum(sizes) / len(sizes) > 3000
