"""Numbers and truths as keepalived reads them (lib/parser.c: read_int, ...), and addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address

_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{0,12}(?:\.\d{0,12})?", re.ASCII)
_TRUE = frozenset({"true", "on", "yes"})
_FALSE = frozenset({"false", "off", "no"})


def whole(text: str) -> int | None:
    """Return a whole number, or None."""
    return int(text) if _WHOLE.fullmatch(text) else None


def number(text: str) -> float | None:
    """Return a number with or without a fraction, or None."""
    if not any(c.isdigit() for c in text) or not _DECIMAL.fullmatch(text):
        return None
    return float(text)


def boolean(text: str) -> bool | None:
    """Return what on, off, true, false, yes or no mean, or None."""
    return True if text in _TRUE else False if text in _FALSE else None


def ipv4(text: str) -> IPv4Address | None:
    """Return an IPv4 address without a prefix, or None."""
    try:
        return IPv4Address(text)
    except ValueError:
        return None


def status_codes(words: Iterable[str]) -> frozenset[int]:
    """Return the statuses that an HTTP check takes: 200 to 299 where no word of them counts.

    status_code_handler() and url_check() of keepalived's check_http.c (2.2.7, 2.3.3): a word is a
    status or a range of them, from 100 to 599; another word is skipped.
    """
    found: set[int] = set()
    for word in words:
        found |= codes_of(word)
    return frozenset(found or range(200, 300))


def codes_of(word: str) -> frozenset[int]:
    """Return the statuses of one word of ``status_code``, ``200`` or ``200-299``."""
    low, dash, high = word.partition("-")
    first, last = whole(low), whole(high if dash else low)
    if first is None or last is None or not 100 <= first <= last <= 599:
        return frozenset()
    return frozenset(range(first, last + 1))
