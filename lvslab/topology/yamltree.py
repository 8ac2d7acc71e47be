"""YAML text to plain values that still know their line and column.

Built on PyYAML's events instead of its constructors: no tag ever makes an object, aliases
are counted before anything is expanded, and nesting is bounded before anything recurses.
Scalars are read by the YAML 1.2 core schema (what editors use): ``no`` is text and ``010``
is not 8.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from lvslab.topology.problems import Problem, TopologyProblems, did_you_mean, shown

#: A hundred nodes with everything spelled out stay far below each of these.
MAX_BYTES = 256 * 1024
MAX_VALUES = 20_000
MAX_DEPTH = 24

Path = tuple[str | int, ...]
Mark = tuple[int, int]

#: What to do about a file with nothing in it.
START = "'lvslab init' writes a topology to start from"

_SURROGATE = re.compile("[\ud800-\udfff]")
_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}\Z")

#: PyYAML's words -> ours. The first that occurs in its message is used.
_SYNTAX = (
    ("'\\t'", "a tab: YAML is indented with spaces only"),
    ("mapping values are not allowed here", "a ':' makes no sense here: look at the indentation "
     "of this line and the one before it, or quote the text"),
    ("could not find expected ':'", "this line has no ':' after its key"),
    ("expected <block end>", "this line's indentation does not fit the lines above it"),
    ("unindent does not match", "this line's indentation does not fit the lines above it"),
    ("expected ',' or ']'", "a ',' or the closing ']' of the list is missing"),
    ("expected ',' or '}'", "a ',' or the closing '}' of the mapping is missing"),
    ("expected the node content", "a value is missing here"),
    ("unexpected end of stream", "the quoted text that begins here never ends"),
    ("document separator", "the quoted text that begins here never ends"),
    ("sequence entries are not allowed here", "a '-' list item makes no sense here: start the "
     "list on a line of its own"),
    ("expected '<document start>'", "this line does not belong to what is above it: "
     "look at the indentation"),
    ("that cannot start any token", "this character cannot stand here unquoted"),
    ("special characters are not allowed", "a control character; only printable text is allowed"),
)  # fmt: skip


@dataclass(slots=True)
class Node:
    """A YAML value: ``value`` is a scalar, a list of nodes, or a dict of nodes."""

    mark: Mark
    value: Any
    keys: dict[str, Mark] = field(default_factory=dict)
    #: How many values and levels this is with every alias expanded.
    size: int = 1
    depth: int = 1
    #: A scalar as it was written: what it is when it serves as a key.
    text: str = ""

    def plain(self) -> Any:
        """Return the value without positions."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file."""

    file: str
    root: Node

    def at(self, path: Path, *, key: bool = False) -> Mark:
        """Return line and column of the value (or its key) at a path.

        What the file does not spell out is at its nearest parent that is there. A name looks
        itself up in a list of names, because that is how shorthands are written.
        """
        node, mark = self.root, self.root.mark
        for index, step in enumerate(path):
            child: Node | None = None
            if isinstance(node.value, dict):
                child = node.value.get(str(step))
                if child is not None:
                    last = index == len(path) - 1
                    blank = child.value is None or (child.value == {} and not last)
                    # A blank value has no place of its own worth pointing at: its key has.
                    mark = node.keys[str(step)] if (key and last) or blank else child.mark
            elif isinstance(node.value, list):
                if isinstance(step, int):
                    child = node.value[step] if step < len(node.value) else None
                else:
                    child = next((item for item in node.value if item.value == step), None)
                mark = child.mark if child is not None else mark
            if child is None:
                # A list may be written as its only item; an item path then means the item.
                if isinstance(step, int):
                    continue
                break
            node = child
        return mark

    def problem(self, path: Path, message: str, hint: str = "", *, key: bool = False) -> Problem:
        """Return a problem at a path."""
        return Problem(*self.at(path, key=key), message, hint, self.file)


def parse(text: str, file: str, what: str = "topology", start: str = START) -> Document:
    """Parse YAML text. Raises TopologyProblems for whatever is wrong with it as YAML.

    ``what`` is what the file should be, ``start`` what to do about an empty one.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise TopologyProblems([too_large(file, what)])
    root = _quickly(text, file, what)
    if root is not None and root.value is not None:
        return Document(file, root)
    composer = _Composer(file, what)
    try:
        loader = yaml.SafeLoader(text)
        try:
            root = composer.compose(_events(loader))
        except (ValueError, OverflowError):
            # PyYAML's chr() of an escape such as "\U99999999".
            composer.fail(_mark(loader.get_mark()), "an escape that is no character")
    except yaml.MarkedYAMLError as error:
        composer.fail(*_syntax_error(error))
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = (before.count("\n") + 1, error.position - before.rfind("\n"))
        composer.fail(place, _syntax(str(error.reason)))
    if composer.problems:
        raise TopologyProblems(composer.problems)
    if root is None or root.value is None:
        nothing = "the file is empty" if not text.strip() else "there is nothing but comments here"
        raise TopologyProblems([Problem(1, 1, nothing, start, file)])
    return Document(file, root)


def _quickly(text: str, file: str, what: str) -> Node | None:
    """Return what libyaml's parser makes of a text that it finds nothing wrong with, or None.

    It is several times faster than PyYAML's own, which is asked for the words and places of
    errors, and where there is a tab: libyaml lets pass some that YAML does not allow.
    """
    if not yaml.__with_libyaml__ or "\t" in text:
        return None
    composer = _Composer(file, what)
    try:
        root = composer.compose(_events(yaml.CSafeLoader(text)))
    except (yaml.YAMLError, ValueError, OverflowError):
        return None
    return None if composer.problems else root


def too_large(file: str, what: str = "topology") -> Problem:
    """Return the problem of a file that is larger than MAX_BYTES."""
    limit = MAX_BYTES // 1024
    return Problem(1, 1, f"larger than {limit} KiB: this is not a {what} file", "", file)


def _events(loader: Any) -> Iterator[Any]:
    while loader.check_event():
        yield loader.get_event()


def _mark(mark: Any) -> Mark:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _syntax_error(error: yaml.MarkedYAMLError) -> tuple[Mark, str]:
    words = f"{error.context or ''} {error.problem or ''}"
    place, start = error.problem_mark or error.context_mark, error.context_mark
    if "unexpected end of stream" in words or "document separator" in words:
        place = start or place
    message = _syntax(words)
    if start and place and start.line != place.line and "closing" in message:
        message += f"; it begins on line {start.line + 1}"
    return _mark(place), message


def _syntax(words: str) -> str:
    for theirs, ours in _SYNTAX:
        if theirs in words:
            return ours
    return f"not valid YAML: {words.strip()}"


class _Stop(Exception):
    """Ends the composing early; the reason is in ``problems`` already."""


class _Composer:
    """Events to nodes, with an explicit stack: the depth of the text is not our depth."""

    def __init__(self, file: str, what: str) -> None:
        self.file = file
        self.what = what
        self.problems: list[Problem] = []
        self._anchors: dict[str, Node | None] = {}
        self._values = 0

    def fail(self, mark: Mark, message: str, hint: str = "") -> None:
        self.problems.append(Problem(*mark, message, hint, self.file))

    def _stop(self, mark: Mark, message: str, hint: str = "") -> _Stop:
        self.fail(mark, message, hint)
        return _Stop()

    def compose(self, events: Iterator[Any]) -> Node | None:
        root: Node | None = None
        documents = 0
        # Each level: the open node, its anchor, and what takes its next finished child.
        stack: list[tuple[Node, str | None, Callable[[Node], None]]] = []

        def finish(node: Node) -> None:
            nonlocal root
            if stack:
                stack[-1][2](node)
            else:
                root = node

        try:
            for event in events:
                mark = _mark(event.start_mark)
                if isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        raise self._stop(mark, f"a second document: one file holds one {self.what}")
                if isinstance(event, yaml.NodeEvent):
                    self._values += 1
                    if self._values > MAX_VALUES or len(stack) >= MAX_DEPTH:
                        raise self._stop(mark, f"too much, or too deeply nested, for a {self.what}")
                if isinstance(event, yaml.AliasEvent):
                    finish(self._alias(str(event.anchor), mark))
                elif isinstance(event, yaml.ScalarEvent):
                    self._tag(event.tag, mark)
                    if not event.value.isascii() and _SURROGATE.search(event.value):
                        raise self._stop(mark, "an escape that is no character")
                    node = Node(mark, _scalar(event), text=event.value)
                    self._anchor(event.anchor, node)
                    finish(node)
                elif isinstance(event, yaml.CollectionStartEvent):
                    self._tag(event.tag, mark)
                    mapping = isinstance(event, yaml.MappingStartEvent)
                    node = Node(mark, {} if mapping else [])
                    self._anchor(event.anchor, None)
                    take = self._pairs(node) if mapping else self._items(node)
                    stack.append((node, event.anchor, take))
                elif isinstance(event, yaml.CollectionEndEvent):
                    node, anchor, _ = stack.pop()
                    self._anchor(anchor, node)
                    finish(node)
        except _Stop:
            return None
        return root

    def _grow(self, node: Node, child: Node) -> None:
        node.size += child.size
        node.depth = max(node.depth, child.depth + 1)
        if node.size > MAX_VALUES or node.depth > MAX_DEPTH:
            raise self._stop(
                child.mark, f"with its aliases written out this is more than {MAX_VALUES} values "
                f"or {MAX_DEPTH} levels: refused"
            )  # fmt: skip

    def _items(self, node: Node) -> Callable[[Node], None]:
        def take(child: Node) -> None:
            self._grow(node, child)
            node.value.append(child)

        return take

    def _pairs(self, node: Node) -> Callable[[Node], None]:
        pending: list[Node] = []

        def take(child: Node) -> None:
            if not pending:
                pending.append(child)
                return
            key_node = pending.pop()
            self._grow(node, child)
            if isinstance(key_node.value, dict | list):
                self.fail(key_node.mark, f"a key has to be a word, not {shown(key_node.value)}")
                return
            key = key_node.text
            if key == "<<":
                self.fail(key_node.mark, "'<<' (merging) is not supported: write the keys out")
            elif key in node.keys:
                line = node.keys[key][0]
                self.fail(key_node.mark, f"'{_short(key)}' is here twice; it is on line {line} too")
            else:
                node.keys[key] = key_node.mark
                node.value[key] = child

        return take

    def _tag(self, tag: str | None, mark: Mark) -> None:
        if tag is not None:
            name = tag.replace("tag:yaml.org,2002:", "!!")
            self.fail(mark, f"the YAML tag '{_short(name)}': tags are not allowed here")

    def _anchor(self, anchor: str | None, node: Node | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node

    def _alias(self, anchor: str, mark: Mark) -> Node:
        node = self._anchors.get(anchor)
        if node is None:
            if anchor in self._anchors:
                raise self._stop(mark, f"'*{_short(anchor)}' contains itself")
            hint = did_you_mean(anchor, self._anchors)
            raise self._stop(mark, f"'*{_short(anchor)}': no '&{_short(anchor)}' before it", hint)
        return Node(mark, node.value, node.keys, node.size, node.depth, node.text)


def _short(text: str) -> str:
    return shown(text)[1:-1]


def _scalar(event: Any) -> str | int | float | bool | None:
    text: str = event.value
    if event.style:
        return text
    if _NULL.match(text):
        return None
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return text
