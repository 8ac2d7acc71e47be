"""What a user may write for short in a topology file, before its fields are looked at."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from lvslab.topology.problems import shown
from lvslab.topology.values import bad


def block(key: str) -> Any:
    """A value that stands for ``{key: value}``, and nothing that stands for ``{}``."""

    def expand(value: Any) -> Any:
        if value is None:
            return {}
        return value if isinstance(value, dict | BaseModel) else {key: value}

    return expand


def names(value: Any) -> Any:
    """A list of names that stands for a mapping from each to nothing."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        return value  # A mapping already, or nothing; anything else is told by its type.
    result: dict[str, None] = {}
    for index, item in enumerate(value):
        if not isinstance(item, str):
            raise bad(f"a name has to be text, not {shown(item)}", "put it in quotes", (index,))
        if item in result:
            raise bad(f"'{item}' is in this list twice", path=(index,))
        result[item] = None
    return result


def several(value: Any) -> Any:
    """One thing that stands for a list of it."""
    return value if value is None or isinstance(value, list) else [value]


def digits(value: Any) -> Any:
    """A whole number that stands for its digits as text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def reply(value: Any) -> Any:
    """Whether there is to be an answer, or with what it begins, in hexadecimal."""
    value = digits(value)
    if not isinstance(value, bool | str):
        raise bad(f"{shown(value)} is not true, false or octets in hexadecimal", "put it in quotes")
    return value
