"""A copy of each file's tree, in the lab's words, and what was done to which line of the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lvslab.conf.errors import Position
from lvslab.conf.lexer import Word
from lvslab.conf.tree import Node
from lvslab.importer.model import Fate, Source


@dataclass
class Twins:
    """The copies: they are changed, the files' own trees are not."""

    #: The directors as they were given.
    given: tuple[Source, ...]
    #: The same with copied trees.
    sources: tuple[Source, ...] = ()
    #: What is in the lab and in no file.
    added: list[str] = field(default_factory=list)
    _twin: dict[int, Node] = field(default_factory=dict)
    _origin: dict[int, Node] = field(default_factory=dict)
    _told: dict[int, tuple[Fate, str]] = field(default_factory=dict)
    _whole: set[int] = field(default_factory=set)
    _made: dict[int, list[Node]] = field(default_factory=dict)

    @classmethod
    def of(cls, sources: Sequence[Source]) -> Twins:
        """Return copies of the trees of these directors."""
        twins = cls(tuple(sources))
        twins.sources = tuple(
            replace(s, config=replace(s.config, root=twins._copy(s.config.root, None)))
            for s in sources
        )
        return twins

    def _copy(self, node: Node, parent: Node | None) -> Node:
        made = Node(list(node.words), [], node.opened, node.closed, parent)
        self._twin[id(node)] = made
        self._origin[id(made)] = node
        made.children.extend(self._copy(child, made) for child in node.children)
        return made

    def reread(self) -> None:
        """Let what the trees mean be worked out anew, after they were changed."""
        self.sources = tuple(replace(s, config=replace(s.config)) for s in self.sources)

    def twin(self, node: Node) -> Node | None:
        """Return the copy of a line of a file; None where the lab has none."""
        return self._twin.get(id(node))

    def told(self, node: Node) -> tuple[Fate, str] | None:
        """Return what was told of a line of a file."""
        return self._told.get(id(node))

    def told_of(self, twin: Node) -> tuple[Fate, str] | None:
        """Return what was told of the line that a copy is of."""
        origin = self._origin.get(id(twin))
        return None if origin is None else self.told(origin)

    def tell(self, twin: Node, fate: Fate, note: str) -> None:
        """Say what became of the line that a copy is of."""
        origin = self._origin.get(id(twin))
        if origin is not None:
            self._told[id(origin)] = (fate, note)

    def say(self, twin: Node, words: Sequence[str], fate: Fate, note: str = "") -> None:
        """Change a copy's words, and say what became of its line; without a note, the words."""
        at = twin.at
        told = ["" if w.quoted else w.value for w in twin.words]
        twin.words = [
            twin.words[i] if i < len(told) and told[i] == value else word(value, at)
            for i, value in enumerate(words)
        ]
        self.tell(twin, fate, note)

    def put_back(self, twin: Node) -> None:
        """Give a copy its line's own words, as if nothing had been done to it."""
        origin = self._origin[id(twin)]
        twin.words = list(origin.words)
        self._told.pop(id(origin), None)

    def make(self, twin: Node, made: Sequence[Node]) -> None:
        """Note that a line is in the lab as these other ones, if they are; call it before a drop.

        Without any it is in the lab as none.
        """
        origin = self._origin.get(id(twin))
        if origin is not None:
            self._made.setdefault(id(origin), []).extend(made)

    def made_of(self, node: Node) -> list[Node] | None:
        """Return the lines that one of a file is in the lab as; None where that was not noted."""
        return self._made.get(id(node))

    def drop_block(self, twin: Node, fate: Fate, note: str) -> None:
        """Take a copy out, with all that is in it, of which nothing is told for itself."""
        origin = self._origin.get(id(twin))
        if origin is not None:
            self._whole.add(id(origin))
        self.drop(twin, fate, note)

    def is_told_whole(self, node: Node) -> bool:
        """Say whether what was told of a block of a file is told of all that is in it."""
        return id(node) in self._whole

    def drop(self, twin: Node, fate: Fate, note: str) -> None:
        """Take a copy out, with all that is in it."""
        self.tell(twin, fate, note)
        if twin.parent is not None:
            twin.parent.children = [c for c in twin.parent.children if c is not twin]
        origin = self._origin.get(id(twin))
        if origin is not None:
            self._twin.pop(id(origin), None)


def word(value: str, at: Position) -> Word:
    """Return a word that stands in no file; in quotes where it has to be."""
    quoted = value == "" or any(c in " \t#!{}" for c in value)
    return Word(value, at, quoted)


def line(parent: Node, *words: str, block: bool = False) -> Node:
    """Add a line that stands in no file, and return it."""
    at = parent.at
    made = Node([word(w, at) for w in words], [], at if block else None, None, parent)
    parent.children.append(made)
    return made
