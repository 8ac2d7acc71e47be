"""A resolved topology as text and back, so that a running lab needs no YAML."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lvslab.errors import TopologyError
from lvslab.topology.spec import TopologySpec

_ADAPTER = TypeAdapter(TopologySpec)


def to_json(spec: TopologySpec) -> str:
    """Return the topology as compact JSON; equal topologies give equal text."""
    # What is not there is not written: a topology without it, of an lvslab that did not know of
    # it, has the same text, and so the same digest.
    absent: dict[str, Any] = {} if spec.inside is not None else {"inside": True}
    alone = {
        n: {name for name in ("inside", "definitions", "files") if not getattr(d, name)}
        for n, d in enumerate(spec.directors)
    }
    return _ADAPTER.dump_json(spec, exclude=absent | {"directors": alone}).decode()


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
