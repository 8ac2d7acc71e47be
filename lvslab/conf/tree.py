"""Blocks and directives. Every word keeps its place; what keepalived does not know is kept too.

A brace outside double quotes stands for itself wherever it is (the end of read_line() in
keepalived's lib/parser.c), so ``url { path / }`` on one line is a block.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lvslab.conf.errors import ConfError, Issue, Position
from lvslab.conf.lexer import Text, Word

#: Deeper than any configuration, less deep than Python's recursion.
MAX_DEPTH = 100
_BRACE = re.compile(r'"[^"]*"?|[{}]')


@dataclass(slots=True)
class Node:
    """A directive, and its block if it has one. The root has no words."""

    words: list[Word]
    children: list[Node] = field(default_factory=list)
    #: Where ``{`` is; None for a directive without a block.
    opened: Position | None = None
    closed: Position | None = None
    parent: Node | None = field(default=None, repr=False)

    @property
    def keyword(self) -> str:
        """The first word; empty for the root."""
        return self.words[0].value if self.words else ""

    @property
    def is_block(self) -> bool:
        """Whether it has ``{``."""
        return self.opened is not None

    @property
    def at(self) -> Position:
        """Where its keyword is."""
        return self.words[0].at if self.words else Position("", 1, 1)

    @property
    def args(self) -> list[str]:
        """The values of the words after the keyword."""
        return [w.value for w in self.words[1:]]

    def arg(self, index: int = 0) -> str:
        """Return an argument by its index; empty where there is none."""
        return self.words[index + 1].value if len(self.words) > index + 1 else ""

    def arg_at(self, index: int = 0) -> Position:
        """Return where an argument is; the keyword where there is none."""
        return self.words[index + 1].at if len(self.words) > index + 1 else self.at

    def all(self, *keywords: str) -> list[Node]:
        """Return the children of these keywords, in order."""
        return [c for c in self.children if c.keyword in keywords]

    def last(self, *keywords: str) -> Node | None:
        """Return the child that counts: keepalived takes the last of several."""
        return next((c for c in reversed(self.children) if c.keyword in keywords), None)

    def walk(self) -> Iterator[Node]:
        """Yield all that is below, depth first."""
        todo = list(reversed(self.children))
        while todo:
            node = todo.pop()
            yield node
            todo.extend(reversed(node.children))

    def path(self) -> tuple[str, ...]:
        """Return the keywords of the blocks it is in, outermost first."""
        found: list[str] = []
        node = self.parent
        while node is not None and node.words:
            found.append(node.keyword)
            node = node.parent
        return tuple(reversed(found))


def build(lines: Iterable[Text], issues: list[Issue]) -> Node:
    """Return the root of a configuration; adds to ``issues``. Raises ConfError."""
    root = Node([])
    stack = [root]
    last: Node | None = None
    for text in lines:
        for words in _pieces(text):
            value = words[0].value if not words[0].quoted else ""
            if value == "{":
                last = _open(stack, last, words[0].at, issues)
            elif value == "}":
                last = None
                if len(stack) == 1:
                    issues.append(Issue("extra-brace", words[0].at, "a '}' that closes nothing"))
                else:
                    stack.pop().closed = words[0].at
            else:
                last = Node(words, parent=stack[-1])
                stack[-1].children.append(last)
    issues.extend(
        Issue("open-block", n.at, f"'{n.keyword}' is opened here and never closed")
        for n in stack[1:]
    )
    return root


def _open(stack: list[Node], last: Node | None, at: Position, issues: list[Issue]) -> Node | None:
    if last is None or last.is_block:
        issues.append(Issue("brace", at, "a '{' that belongs to nothing"))
        last = Node([Word("", at)], parent=stack[-1])
        stack[-1].children.append(last)
    last.opened = at
    stack.append(last)
    if len(stack) > MAX_DEPTH:
        raise ConfError(
            f"blocks are nested more than {MAX_DEPTH} deep", where=str(at), fix="close some of them"
        )
    return None


def _pieces(text: Text) -> Iterator[list[Word]]:
    """Yield the words of a line, each brace by itself."""
    start = 0
    for match in _BRACE.finditer(text.value):
        if match[0] not in "{}":
            continue
        if words := text.words(start, match.start()):
            yield words
        yield [Word(match[0], text.place(match.start(), match.end()))]
        start = match.end()
    if words := text.words(start):
        yield words


def render(root: Node, indent: str = "    ") -> str:
    """Return a configuration in one form: a directive a line, four blanks a level, no comments."""
    out: list[str] = []

    def write(node: Node, level: int) -> None:
        line = indent * level + _line(node.words)
        out.append(line + (" {" if node.words and node.is_block else "{" if node.is_block else ""))
        if node.is_block:
            for child in node.children:
                write(child, level + 1)
            out.append(indent * level + "}")

    for node in root.children:
        if node.is_block and out:
            out.append("")
        write(node, 0)
    return "\n".join(out) + "\n" if out else ""


def _line(words: list[Word]) -> str:
    # In a script's line blanks within single quotes count, and those after a backslash.
    exact = any(c in w.value for w in words for c in "'\\")
    gaps = [w.gap if exact or not w.gap else " " for w in words]
    return "".join(gap + _quoted(w) for gap, w in zip(["", *gaps[1:]], words, strict=True))


def _quoted(word: Word) -> str:
    if word.quoted:
        return f'"{word.value}"'
    # As a comment begins anywhere outside quotes, so what is no comment must be escaped.
    return re.sub(r"([#!])", r"\\\1", word.value)
