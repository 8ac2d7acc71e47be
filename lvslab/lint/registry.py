"""Finds every rule of ``lvslab/lint/rules``: a new one needs no edit elsewhere."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import NotRequired, TypedDict, Unpack

from lvslab.errors import NotFoundError
from lvslab.lint import rules
from lvslab.lint.model import Across, Rule, Severity, Single, Topic

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


class Words(TypedDict):
    """What a rule says; see :class:`Rule`."""

    why: str
    fix: str
    source: str
    bad: NotRequired[str]
    good: NotRequired[str]


def rule(
    id: str, severity: Severity, topic: Topic, title: str, **words: Unpack[Words]
) -> Callable[[Single], Rule]:
    """Declare a function to be a rule over one file; its name is the rule's."""

    def declare(function: Single) -> Rule:
        return Rule(id, _name(function), severity, topic, title, **words, single=function)

    return declare


def across(
    id: str, severity: Severity, title: str, **words: Unpack[Words]
) -> Callable[[Across], Rule]:
    """Declare a function to be a rule over the files of several directors."""

    def declare(function: Across) -> Rule:
        return Rule(id, _name(function), severity, "across", title, **words, across=function)

    return declare


def _name(function: Single | Across) -> str:
    return function.__name__.replace("_", "-")


@cache
def all_rules() -> Mapping[str, Rule]:
    """Return every rule by its id, sorted. Two of one id are a mistake, and raise ValueError."""
    found: dict[str, Rule] = {}
    for info in pkgutil.iter_modules(rules.__path__):
        module = importlib.import_module(f"{rules.__name__}.{info.name}")
        for one in vars(module).values():
            if not isinstance(one, Rule):
                continue
            if one.id in found or not re.fullmatch(r"LVS\d{3}", one.id):
                raise ValueError(f"{one.id} ({one.name}) is taken, or no id")
            found[one.id] = one
    return MappingProxyType(dict(sorted(found.items())))


def get(name: str) -> Rule:
    """Return a rule by its id or its name. Raises NotFoundError."""
    wanted = name.strip().upper()
    for one in all_rules().values():
        if wanted in (one.id, one.name.upper()):
            return one
    raise NotFoundError(
        f"no rule is called {name[:40]!r}", fix="'lvslab explain' lists all that there are"
    )
