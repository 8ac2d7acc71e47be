"""``~SEQ(...)`` and ``~LST(...)`` (keepalived.conf(5), "Sequence blocks", "List blocks")."""

from __future__ import annotations

import re
from collections.abc import Iterator

_HEAD = re.compile(r"~(SEQ(x?)|LST)\(", re.ASCII)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def repetitions(text: str, limit: int) -> tuple[str, list[dict[str, str]]] | None:
    """Return the rest of the line, and the variables of each round; None where it is no such line.

    At most ``limit`` rounds are made, and one more, which tells that there are too many.
    """
    head = _HEAD.match(text)
    close = text.find(")")
    if head is None or close < 0:
        return None
    inner, rest = text[head.end() : close], text[close + 1 :].strip(" \t")
    rounds = _list(inner) if head[1] == "LST" else _sequence(inner, bool(head[2]), limit)
    return None if rounds is None else (rest, rounds)


def _sequence(inner: str, hexadecimal: bool, limit: int) -> list[dict[str, str]] | None:
    name, *numbers = (part.strip() for part in inner.split(","))
    if not _NAME.fullmatch(name) or not 1 <= len(numbers) <= 3:
        return None
    try:
        values = [
            int(n, 0) if re.fullmatch(r"[+-]?0[xX][0-9a-fA-F]+", n) else int(n) for n in numbers
        ]
    except ValueError:
        return None
    if any(abs(v) > 2**32 for v in values):
        return None
    end = values[-1]
    start = values[0] if len(values) > 1 else (1 if end > 0 else -1)
    step = values[1] if len(values) == 3 else (1 if end >= start else -1)
    if not step:
        return None
    made = []
    for value in _up_to(start, end, step, limit):
        made.append({name: f"{value:x}" if hexadecimal else str(value)})
    return made


def _up_to(start: int, end: int, step: int, limit: int) -> Iterator[int]:
    value, count = start, 0
    while (value <= end if step > 0 else value >= end) and count <= limit:
        yield value
        value += step
        count += 1


def _list(inner: str) -> list[dict[str, str]] | None:
    parts = [a if a else b for a, b in re.findall(r"\{([^{}]*)\}|([^,{}]+)", inner)]
    grouped = inner.lstrip().startswith("{")
    cells = [[c.strip() for c in part.split(",")] if grouped else [part.strip()] for part in parts]
    cells = [c for c in cells if any(c)] if grouped else cells
    if not cells or not all(_NAME.fullmatch(n) for n in cells[0]):
        return None
    names, *rows = cells
    if not rows or any(len(row) != len(names) for row in rows):
        return None
    return [dict(zip(names, row, strict=True)) for row in rows]
