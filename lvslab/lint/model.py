"""What a rule is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from lvslab.conf.config import Config
from lvslab.conf.errors import Position
from lvslab.conf.lexer import Edit
from lvslab.conf.models import View


class Severity(StrEnum):
    """How bad a finding is. The value is what ``--json`` shows."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


Topic = Literal["syntax", "vrrp", "tracking", "scripts", "lvs", "checks", "across"]


@dataclass(frozen=True, slots=True)
class Hit:
    """What a rule saw: where, in words, and what to write instead."""

    at: Position
    message: str
    #: What to write; empty where the rule's own advice is all there is.
    write: str = ""
    #: Edits that put it right, safe to make unseen: they change nothing of what keepalived does,
    #: or make it do what is plainly meant.
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True, slots=True)
class Budget:
    """What the user allows, in seconds; None where nothing is said."""

    rs_removed: float | None = None
    failover: float | None = None


@dataclass(frozen=True)
class Node:
    """One director's configuration, with its name."""

    name: str
    config: Config
    #: What the user allows.
    budget: Budget = field(default_factory=Budget)
    #: Where the director's file system is, for rules about scripts; None: they are not looked at.
    root: Path | None = None
    #: What ``keepalived -i`` is given, for lines with @ID.
    config_id: str | None = None

    @property
    def view(self) -> View:
        """What it means."""
        return self.config.view


@dataclass(frozen=True)
class Setting:
    """All that is linted together."""

    nodes: tuple[Node, ...]
    budget: Budget = field(default_factory=Budget)


Single = Callable[[Node], Iterator[Hit]]
Across = Callable[[Setting], Iterator[tuple[Node, Hit]]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule's words. Its function is beside it; see :mod:`lvslab.lint.registry`."""

    id: str
    name: str
    severity: Severity
    topic: Topic
    #: One line: what it finds.
    title: str
    #: What really happens, for a reader who does not know.
    why: str
    #: What to do.
    fix: str
    #: Where the claim comes from.
    source: str
    bad: str = ""
    good: str = ""
    single: Single | None = None
    across: Across | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A hit, with its rule and the director whose file it is in."""

    rule: Rule
    node: str
    hit: Hit
    #: What keepalived itself says of it; empty where it says nothing, or was not asked.
    keepalived: str = ""

    @property
    def at(self) -> Position:
        """Where it is."""
        return self.hit.at

    @property
    def order(self) -> tuple[str, int, int, str]:
        """By file, line, column and rule."""
        return (self.at.file, self.at.line, self.at.column, self.rule.id)
