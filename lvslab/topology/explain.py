"""pydantic's errors in our words, with their place in the file and what was meant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as default
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from lvslab.topology.models import Check, Member, Model, Sorry, Topology
from lvslab.topology.problems import MAX_PROBLEMS, Problem, did_you_mean, shown
from lvslab.topology.yamltree import Document, Path

#: What people write out of habit from keepalived.conf -> what to do here.
_KEEPALIVED = {
    "advertisement_interval": "here it is 'advert_int'",
    "auth": "it belongs under 'vrrp' or an instance",
    "auth_pass": "it belongs under 'auth'",
    "authentication": "here it is 'auth'",
    "dev": "every VIP is on eth0",
    "interface": "VRRP is always spoken on eth0",
    "lb_algo": "here it is 'scheduler'",
    "lb_kind": "here it is 'forwarding'",
    "lvs_method": "here it is 'forwarding'",
    "lvs_sched": "here it is 'scheduler'",
    "nat_mask": "keepalived has no such word any more: remove it",
    "nb_get_retry": "deprecated alias of 'retry'",
    "nopreempt": "here it is 'preempt: false'",
    "password": "here it is 'auth_pass'",
    "real_server": "here it is 'real_servers'",
    "state": "it is computed from the priorities and 'preempt', so that it never lies",
    "strict": "vrrp_strict drops the traffic to the VIP: it is never used",
    "unicast_peer": "here it is 'unicast: true'; the peers are the other directors",
    "unicast_src_ip": "here it is 'unicast: true'",
    "virtual_ipaddress": "here it is 'vips'",
    "virtual_router_id": "here it is 'vrid'",
    "virtual_server": "here it is 'virtual_servers'",
    "vrrp_instance": "here it is 'vrrp_instances'",
    "vrrp_strict": "it drops the traffic to the VIP: it is never used",
    "vrrp_version": "here it is 'version'",
}

_OF_MODEL: dict[tuple[type[Model], str], str] = {
    (Member, "address"): "it belongs in the topology's own 'real_servers'",
    (Sorry, "address"): "it belongs in the topology's own 'real_servers'",
    (Check, "port"): "did you mean 'connect_port'?",
    (Check, "timeout"): "did you mean 'connect_timeout'?",
}

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "dict": "a mapping",
    "model": "a mapping",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file: its model, and how it is called in a message."""

    model: type[Model]
    #: ``a topology is a mapping: lines such as 'vip: 172.20.1.100'``
    mapping: str
    #: Words from elsewhere that people write, and what to do instead.
    habits: Mapping[str, str] = default(default_factory=dict)


TOPOLOGY = Kind(Topology, "a topology is a mapping: lines such as 'vip: 172.20.1.100'", _KEEPALIVED)


def explain(error: ValidationError, document: Document, kind: Kind = TOPOLOGY) -> list[Problem]:
    """Return every problem of a validation, each at its place in the file."""
    errors = error.errors(include_url=False)[:MAX_PROBLEMS]
    # A misspelt key is one mistake, not an unknown key and a missing one.
    misspelt = {
        (*details["loc"][:-1], key)
        for details in errors
        if details["type"] == "extra_forbidden"
        for key in re.findall(r"'(\w+)'", _explain(details, document, kind).hint)
    }
    return [
        _explain(details, document, kind)
        for details in errors
        if details["type"] != "missing" or details["loc"] not in misspelt
    ]


def fields_of(model: type[Model]) -> dict[str, FieldInfo]:
    """Return a model's fields by the words that the file has for them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def where(path: Path) -> str:
    """Return ``virtual_servers[0].check`` for a path."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.lstrip(".")


def _explain(details: ErrorDetails, document: Document, of: Kind) -> Problem:
    kind, loc, value = details["type"], details["loc"], details["input"]
    context = details.get("ctx", {})
    of_key = bool(loc) and loc[-1] == "[key]"
    path = loc[:-1] if of_key else loc
    if kind == "lvslab":
        path += context["path"]
        return document.problem(path, context["message"], context["hint"], key=of_key)
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    if kind == "missing":
        inside = f" in {where(path[:-1])}" if path[:-1] else ""
        return document.problem(path[:-1], f"'{name}' is missing{inside}", key=True)
    if kind == "extra_forbidden":
        return _unknown(path, name, document, of)
    found = _walk(path, of.model)[1]
    if not path:
        return document.problem((), of.mapping)
    # An item of a list, or of a mapping of plain values, is named with what it is in.
    item = isinstance(path[-1], int) or path[-2:-1] in (("priorities",), ("director_sysctls",))
    message, hint = _wrong(kind, where(path[-2:]) if item else name, value, found, context)
    if not message:
        message = f"'{name}': {details['msg']}"
    return document.problem(path, message, hint)


def _wrong(
    kind: str, name: str, value: Any, field: FieldInfo | None, context: dict[str, Any]
) -> tuple[str, str]:
    if kind == "literal_error":
        # ctx: "'rr', 'wrr' or 'mh'", or numbers.
        known = re.findall(r"[\w.+-]+(?=['\s,]|$)", context["expected"].replace(" or ", " "))
        message = f"'{name}' cannot be {shown(value)}: {_choices(known)}"
        return message, did_you_mean(str(value), known)
    if kind in ("greater_than_equal", "less_than_equal"):
        low, high = _bounds(field)
        allowed = f"{low} to {high}" if low is not None else context.get("le", context.get("ge"))
        return f"'{name}' is {shown(value)}: it has to be {allowed}", _range_hint(name, value)
    if kind == "too_short":
        return f"'{name}' is empty: at least one is needed", ""
    if kind == "too_long":
        return (
            f"'{name}' has {context['actual_length']} entries: at most {context['max_length']}",
            "",
        )
    if kind == "string_pattern_mismatch" and name == "digest":
        return (
            f"'digest' is {shown(value)}: 32 hexadecimal digits in lower case, as genhash prints",
            "",
        )
    if kind == "string_too_short":
        return f"'{name}' is empty", ""
    wanted = _TYPES.get(kind.split("_")[0])
    if kind == "int_from_float":
        wanted = "a whole number"
    if name in ("directors", "real_servers", "clients"):
        wanted = "a list of names, or a mapping"
    if wanted is None:
        return "", ""
    if value is None:
        return f"'{name}' has no value: it has to be {wanted}", ""
    message = f"'{name}' has to be {wanted}, not {_typed(value)}"
    return message, _type_hint(kind, value)


def _typed(value: Any) -> str:
    """A value with its type where the type is the point: the text '80', the number 80."""
    if isinstance(value, str):
        return f"the text {shown(value)}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"the number {shown(value)}"
    return shown(value)


def _range_hint(name: str, value: Any) -> str:
    if name.startswith("priorit") and value == 255:
        return "255 is for a router whose own address is the VIP"
    if name == "persistence_timeout" and value == 0:
        return "leave it out for no persistence"
    return ""


def _type_hint(kind: str, value: Any) -> str:
    if isinstance(value, str):
        if kind.startswith(("int", "float")) and re.fullmatch(r"-?\d+(\.\d+)?", value):
            return "remove the quotes, or leading zeros"
        if kind.startswith(("int", "float")) and (
            number := re.fullmatch(r"(\d+(?:\.\d+)?) ?(?:s|sec|seconds)", value)
        ):
            return f"did you mean '{number[1]}'? It is in seconds"
        if kind.startswith("bool") and value.casefold() in ("yes", "on", "y"):
            return "did you mean 'true'?"
        if kind.startswith("bool") and value.casefold() in ("no", "off", "n"):
            return "did you mean 'false'?"
    elif kind == "list_type" and isinstance(value, dict):
        return "begin each item with '- '"
    elif kind.startswith("string") and isinstance(value, int | float):
        return "put it in quotes"
    return ""


def _unknown(path: Path, name: str, document: Document, of: Kind) -> Problem:
    model = _walk(path[:-1], of.model)[0]
    known = list(fields_of(model)) if model else []
    inside = f" in {where(path[:-1])}" if path[:-1] else ""
    hint = of.habits.get(name, "") if name not in fields_of(of.model) else ""
    hint = _OF_MODEL.get((model, name), hint) if model else hint
    hint = hint or did_you_mean(name, known)
    if not hint and name in fields_of(of.model):
        hint = "it belongs at the top level"
    if not hint:
        homes = [home for home in _models(of.model) if name in fields_of(home[1])]
        hint = f"it belongs in {homes[0][0]}" if homes else f"known: {', '.join(sorted(known))}"
    return document.problem(path, f"unknown key {shown(name)}{inside}", hint, key=True)


def _choices(known: list[str]) -> str:
    return f"only {known[0]}" if len(known) == 1 else f"{', '.join(known[:-1])} or {known[-1]}"


def _bounds(field: FieldInfo | None) -> tuple[Any, Any]:
    found: dict[str, Any] = {}
    pending: list[Any] = [field.annotation, *field.metadata] if field else []
    while pending:
        item = pending.pop()
        pending += [*getattr(item, "__metadata__", ()), *get_args(item)]
        pending += getattr(item, "metadata", ()) if isinstance(item, FieldInfo) else ()
        for bound in ("ge", "le"):
            if getattr(item, bound, None) is not None:
                found[bound] = getattr(item, bound)
    return found.get("ge"), found.get("le")


def _submodel(annotation: Any) -> type[Model] | None:
    """Return the model inside Annotated, Optional, list and dict wrappings."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    for part in reversed(get_args(annotation)):
        if found := _submodel(part):
            return found
    return None


def _is_collection(annotation: Any) -> bool:
    origin = getattr(annotation, "__origin__", None)
    return origin in (list, dict) or any(map(_is_collection, get_args(annotation)))


def _walk(path: Path, root: type[Model]) -> tuple[type[Model] | None, FieldInfo | None]:
    """Return the model that a path leads into, and the last field that it named."""
    model: type[Model] | None = root
    field: FieldInfo | None = None
    in_collection = False
    for step in path:
        if in_collection:
            in_collection = False
            continue
        field = fields_of(model).get(str(step)) if model else None
        if field is None:
            return None, None
        model = _submodel(field.annotation)
        in_collection = _is_collection(field.annotation)
    return model, field


def _models(model: type[Model], inside: str = "") -> list[tuple[str, type[Model]]]:
    """Return every block below a model with the words that name it."""
    found: list[tuple[str, type[Model]]] = []
    for name, one in fields_of(model).items():
        if sub := _submodel(one.annotation):
            path = f"{inside}.{name}" if inside else f"'{name}'"
            found += [(f"'{name}'" if not inside else path, sub), *_models(sub, name)]
    return found
