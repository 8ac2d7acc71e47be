r"""What a script's line runs; each row is what 2.3.3's own parser makes of it."""

from __future__ import annotations

import pytest

from lvslab.conf import load_text
from lvslab.conf.commands import Command, command_of, joined
from lvslab.conf.tree import Node, render


def line(text: str) -> Node:
    (node,) = load_text(f"{text}\n", "x.conf").root.children
    return node


def taken(text: str) -> tuple[list[str], list[str]]:
    command = command_of(line(text))
    return list(command.argv), list(command.more)


@pytest.mark.parametrize(
    ("text", "argv", "more"),
    [
        ("script /a b c", ["/a"], ["b", "c"]),
        ('script "/a b c"', ["/a", "b", "c"], []),
        ("script '/a b c' user group", ["/a", "b", "c"], ["user", "group"]),
        # The second reading takes off the quotes within the first's.
        ("script \"/a 'b  c' d\"", ["/a", "b  c", "d"], []),
        ("script '/a \"b  c\" d'", ["/a", "b  c", "d"], []),
        # Words that touch are one, as they are not for any other keyword.
        ('script "/a"b', ["/ab"], []),
        ("script '/a'\" b\"", ["/a", "b"], []),
        ("script \"/a ''\"", ["/a", ""], []),
        # An escaped blank is no end of the word, first; and is a part of the word, then.
        (r"script /a\ b", ["/a b"], []),
        (r"script /a\\ b", ["/a\\"], ["b"]),
        (r'script "/a \"b c\""', ["/a", '"b', 'c"'], []),
        (r'script "/a \x41\102\cA\t\q"', ["/a", "AB\x01\tq"], []),
        (r'script "/a \x4\8\xz"', ["/a", "\x048xz"], []),
        (r'script "/a b\0c d"', ["/a", "b", "d"], []),
        # An escape is an octet, not a character.
        (r'script "/a \xc3\xa4 \xff \ä"', ["/a", "ä", "\udcff", "ä"], []),
        ("script 'a", [], []),
        ("script '/a b' 'c", [], []),
        ('script "/a \'b"', [], []),
        # A quote of which nothing follows passes.
        ('script "/a \'"', ["/a", ""], []),
        ("script", [], []),
        ("script '  '", [], []),
    ],
)
def test_argv(text: str, argv: list[str], more: list[str]) -> None:
    assert taken(text) == (argv, more)
    # What is written anew means the same, also where it is a part of a definition.
    assert taken(render(Node([], [line(text)])).strip()) == (argv, more)
    assert taken(f"$X=script\n$X {text.removeprefix('script').strip()}") == (argv, more)


def test_an_open_quote_is_told_from_nothing_to_run() -> None:
    assert command_of(line("script '/a")) == Command(open_quote=True)
    assert command_of(line("script '  '")) == Command()
    assert command_of(line("script")) == Command()


def test_what_follows_is_where_it_is_in_the_file() -> None:
    at = command_of(line("script '/a b' \"user\" group")).more_at
    assert at is not None
    assert (at.line, at.column, at.end) == (1, 15, 21)


def test_braces_within_single_quotes_are_still_braces() -> None:
    """keepalived divides a line at them before it reads it again."""
    root = load_text("script '/a {' {\n}\n}\n", "x.conf").root
    assert command_of(root.children[0]).open_quote


@pytest.mark.parametrize(
    "argv", [["/a"], ["/a", "b"], ["/a b", "", "c  d"], ["/a", "#", "!", "{", "$"]]
)
def test_joined_is_read_as_what_was_joined(argv: list[str]) -> None:
    assert taken(f'script "{joined(argv)}"') == (argv, [])


@pytest.mark.parametrize("word", ["it's", '"', "\\", "a\nb", "\t", "\udcff"])
def test_what_would_need_an_escape_is_not_joined(word: str) -> None:
    assert joined(["/a", word]) is None
