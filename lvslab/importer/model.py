"""What an import is made from, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address
from typing import Any

from lvslab.conf import Config
from lvslab.conf.errors import Position
from lvslab.errors import USAGE, LvslabError
from lvslab.topology.spec import TopologySpec


class ImportProblem(LvslabError):
    """Files of which no lab can be made."""

    exit_code = USAGE


class Fate(StrEnum):
    """What became of a line."""

    #: It stands in the lab's file as it is.
    KEPT = "kept"
    #: It stands there in the lab's words: another interface, another name of the same keyword.
    MAPPED = "mapped"
    #: Something harmless stands in for it: a script, the mail.
    STUBBED = "stubbed"
    #: It is not in the lab.
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Source:
    """A director and its configuration."""

    name: str
    config: Config
    #: Its own address, where its user told it: keepalived.conf has none but for unicast.
    address: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a file, and what became of it."""

    node: str
    at: Position
    text: str
    fate: Fate
    #: What it is now, or why it is not.
    note: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """A topology, as what its file says and as what that means."""

    document: dict[str, Any]
    spec: TopologySpec
    entries: tuple[Entry, ...]
    #: What is in the lab and in no file, each with the reason.
    added: tuple[str, ...] = ()

    def count(self, fate: Fate) -> int:
        """Return how many lines became that."""
        return sum(e.fate is fate for e in self.entries)
