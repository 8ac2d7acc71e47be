"""``NAME=VALUE`` on the command line."""

from __future__ import annotations

from collections.abc import Iterable

import typer


def several(words: Iterable[str], option: str, form: str = "KEY=VALUE") -> dict[str, list[str]]:
    """Return what was given of an option by its names, in order; a name may come again.

    Raises typer.BadParameter for what is not of the ``form``.
    """
    found: dict[str, list[str]] = {}
    for word in words:
        name, value = _pair(word, option, form)
        found.setdefault(name, []).append(value)
    return found


def pairs(words: Iterable[str], option: str, form: str = "KEY=VALUE") -> dict[str, str]:
    """Return what was given of an option by its names, in order.

    Raises typer.BadParameter for what is not of the ``form``, and for a name that comes twice.
    """
    found: dict[str, str] = {}
    for word in words:
        name, value = _pair(word, option, form)
        if name in found:
            raise typer.BadParameter(f"{name!r} is given twice", param_hint=option)
        found[name] = value
    return found


def _pair(word: str, option: str, form: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not (name and equals and value):
        raise typer.BadParameter(f"{word[:60]!r} is not {form}", param_hint=option)
    return name, value
