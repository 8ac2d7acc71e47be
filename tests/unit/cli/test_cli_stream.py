from __future__ import annotations

from itertools import pairwise

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from lvslab.cli.duration import seconds
from lvslab.execstream import Demux

FRAMES = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=8)


@given(frames=FRAMES, cuts=st.lists(st.integers(0, 400), max_size=12))
def test_frames_come_out_whole_however_the_bytes_arrive(
    frames: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    sent = b"".join(bytes([s, 0, 0, 0]) + len(d).to_bytes(4, "big") + d for s, d in frames)
    edges = [0, *sorted(min(c, len(sent)) for c in cuts), len(sent)]
    demux = Demux()
    got = [f for a, b in pairwise(edges) for f in demux.feed(sent[a:b])]
    assert got == frames


@pytest.mark.parametrize(
    ("text", "value"), [("10s", 10.0), ("500ms", 0.5), ("2m", 120.0), ("1.5", 1.5), ("1h", 3600.0)]
)
def test_durations(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "0", "0s", "-1s", "ten", "1d", "nan", "1 2s"])
def test_no_durations(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a duration"):
        seconds(text)
