"""A resolved topology as text and back, so that a running lab needs no YAML."""

from __future__ import annotations

from dataclasses import fields
from hashlib import sha256
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lvslab.errors import TopologyError
from lvslab.topology.spec import CheckSpec, TopologySpec

_ADAPTER = TypeAdapter(TopologySpec)
#: Keys of a check that came later, with their defaults.
_LATER = {
    field.name: field.default
    for field in fields(CheckSpec)
    if field.name
    in {
        "payload",
        "require_reply",
        "min_reply_length",
        "max_reply_length",
        "dns_type",
        "name",
    }
}


def to_json(spec: TopologySpec) -> str:
    """Return the topology as compact JSON; equal topologies give equal text."""
    # What is not there is not written: a topology without it, of an lvslab that did not know of
    # it, has the same text, and so the same digest.
    absent: dict[str, Any] = {} if spec.inside is not None else {"inside": True}
    alone = {
        n: {name for name in ("inside", "definitions", "files") if not getattr(d, name)}
        for n, d in enumerate(spec.directors)
    }
    servers = {
        n: {"members": {m: {"check": _unset(member.check)} for m, member in enumerate(vs.members)}}
        for n, vs in enumerate(spec.virtual_servers)
    }
    more: dict[str, Any] = {"directors": alone, "virtual_servers": servers}
    return _ADAPTER.dump_json(spec, exclude=absent | more).decode()


def _unset(check: CheckSpec | None) -> set[str]:
    """Return the keys that came later and are not this check's."""
    return {name for name, value in _LATER.items() if check and getattr(check, name) == value}


def from_json(text: str) -> TopologySpec:
    """Return what to_json() was given. Raises TopologyError for any other text."""
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the text"
        raise TopologyError(
            f"not a stored topology: {place}: {first['msg']}",
            fix="another version of lvslab stored it: 'lvslab up' with its file stores it anew",
        ) from error


def digest(spec: TopologySpec) -> str:
    """Return the SHA-256 of the topology, in hexadecimal."""
    return sha256(to_json(spec).encode()).hexdigest()
