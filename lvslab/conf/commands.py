"""What the line of a script runs: keepalived reads such a line again, by rules of its own.

First the whole line is split, where single quotes count, too, and an escape is left as it is; then
its second word is split in the same way, escapes interpreted: that is the program with its
arguments (notify_script_init() and set_script_params_array() of lib/notify.c,
alloc_strvec_quoted_escaped_common() of lib/parser.c). So it is since 2.3.2: before, escapes are
interpreted both times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lvslab.conf.errors import Position
from lvslab.conf.lexer import SPACE
from lvslab.conf.tree import Node

#: The keywords that are followed by a script (those of install_keyword_quoted()).
SCRIPTS = frozenset(
    [
        "script",
        "misc_path",
        "notify",
        "notify_master",
        "notify_backup",
        "notify_fault",
        "notify_stop",
        "notify_deleted",
        "notify_master_rx_lower_pri",
        "notify_up",
        "notify_down",
        "quorum_up",
        "quorum_down",
        "startup_script",
        "shutdown_script",
        "notify_fifo_script",
        "vrrp_notify_fifo_script",
        "lvs_notify_fifo_script",
    ]
)
_ESCAPE = re.compile(r"x([0-9a-fA-F]{1,2})|c(.)|([0-7]{1,3})|(.)", re.DOTALL)
_NAMED = {"a": "\a", "b": "\b", "E": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True, slots=True)
class Command:
    """A script's line, taken apart."""

    #: The program and its arguments; empty where keepalived finds none.
    argv: tuple[str, ...] = ()
    #: What follows on the line: the user and the group to run it as.
    more: tuple[str, ...] = ()
    #: Where that begins.
    more_at: Position | None = None
    #: A quote is opened and not closed: keepalived takes nothing of the line.
    open_quote: bool = False

    @property
    def program(self) -> str:
        """The path of what is run; empty where there is none."""
        return self.argv[0] if self.argv else ""


def command_of(node: Node) -> Command:
    """Return what a script's line runs."""
    text, starts = "", []
    for word in node.words:
        text += word.gap if text else ""
        starts.append(len(text))
        text += _octets(word.raw)
    line = _split(text)
    argv = _split(line[1][0], interpret=True) if line and len(line) > 1 else []
    if line is None or argv is None:
        return Command(open_quote=True)
    if len(line) < 3:
        return Command(_texts(argv))
    words = zip(node.words, starts, strict=True)
    *_, at = (word.at for word, start in words if start <= line[2][1])
    return Command(_texts(argv), _texts(line[2:]), at)


def joined(argv: Iterable[str]) -> str | None:
    """Return a command as it is written between double quotes; None where it cannot be.

    That is where a word would need an escape, which not all versions of keepalived read alike.
    """
    words = []
    for word in argv:
        if not word.isprintable() or any(c in "\"'\\" for c in word):
            return None
        words.append(f"'{word}'" if not word or " " in word else word)
    return " ".join(words)


def _split(text: str, *, interpret: bool = False) -> list[tuple[str, int]] | None:
    """Return words and where each begins; None for a quote or an escape without an end."""
    found: list[tuple[str, int]] = []
    at = 0
    while True:
        while at < len(text) and text[at] in SPACE:
            at += 1
        if at == len(text):
            return found
        begins, word, quote, plain = at, "", "", False
        while at < len(text):
            char = text[at]
            at += 1
            # A quote that is the last of all, or that has nothing but an escape in it, passes.
            plain = False
            if char == "\\":
                match = _ESCAPE.match(text, at)
                if match is None:
                    return None
                at = match.end() if interpret else at + 1
                word += _meant(match) if interpret else char + text[at - 1]
            elif char == quote:
                quote = ""
            elif not quote and char in "\"'":
                quote = char
            elif not quote and char in SPACE:
                break
            else:
                word += char
                plain = True
        if quote and plain:
            return None
        # A NUL ends a word for a program in C.
        found.append((word.partition("\0")[0], begins))


def _meant(match: re.Match[str]) -> str:
    """Return the octet that an escape stands for."""
    digits, controlled, octal, other = match.groups()
    if other is not None:
        return _NAMED.get(other, other)
    code = int(digits, 16) if digits else int(octal, 8) if octal else ord(controlled) & 0x1F
    return chr(code & 0xFF)


def _octets(text: str) -> str:
    """Return a text with a character for each octet: an escape is one of these."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _texts(words: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    return tuple(w.encode("latin-1").decode("utf-8", "surrogateescape") for w, _ in words)
