"""YAML as a person would write it: keys in their order, a text of several lines as such."""

from __future__ import annotations

from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines as a block."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def dump(document: dict[str, Any], *, width: int = 100) -> str:
    """Return a document as YAML, its lines broken at ``width`` where they can be."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=width, allow_unicode=True)


def scalar(text: str) -> str:
    """Return the value of ``value`` or ``key: value``; empty where a line is neither."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError:
        return ""
    if isinstance(found, dict) and len(found) == 1:
        (found,) = found.values()
    return "" if found is None or isinstance(found, dict | list) else str(found)
