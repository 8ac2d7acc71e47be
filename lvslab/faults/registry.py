"""Finds every fault in this package: a new one is a new file and no edit elsewhere."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType, ModuleType
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lvslab import faults
from lvslab.errors import FaultError
from lvslab.faults.model import A_ROLE, Effect, Fault, Link, Params, Target, roles_of, target_of
from lvslab.plan.model import Role
from lvslab.topology.problems import did_you_mean
from lvslab.topology.spec import TopologySpec
from lvslab.topology.spoken import Language

#: Files of the package that define no fault.
_MACHINERY = frozenset({"model", "nodefiles", "outside", "registry"})


def collect(modules: Iterable[ModuleType]) -> dict[str, Fault]:
    """Return the faults that modules define, by name, sorted.

    Raises FaultError when a module has no ``FAULT``, when two have the same name, or when
    two claim to be the default of one role: a mistake of whoever wrote the file.
    """
    found: dict[str, tuple[Fault, str]] = {}
    default: dict[Role, str] = {}
    for module in modules:
        fault = getattr(module, "FAULT", None)
        if not isinstance(fault, Fault):
            raise FaultError(
                "defines no fault", where=module.__name__, fix="define FAULT = Fault(...) in it"
            )
        if fault.name in found:
            raise FaultError(
                f"fault {fault.name!r} is already defined in {found[fault.name][1]}",
                where=module.__name__,
                fix="give one of them another name",
            )
        for role in sorted(fault.default_for):
            if role not in fault.roles or role in default:
                other = default.get(role)
                raise FaultError(
                    f"fault {fault.name!r} cannot be the default for {A_ROLE[role]}"
                    + (f": {other!r} is" if other else ", on which it makes no sense"),
                    where=module.__name__,
                )
            default[role] = fault.name
        found[fault.name] = (fault, module.__name__)
    return {name: found[name][0] for name in sorted(found)}


@cache
def all_faults() -> Mapping[str, Fault]:
    """Return every fault there is, by name."""
    names = (m.name for m in pkgutil.iter_modules(faults.__path__) if m.name not in _MACHINERY)
    return MappingProxyType(
        collect(importlib.import_module(f"{faults.__name__}.{name}") for name in names)
    )


def faults_for(role: Role) -> tuple[Fault, ...]:
    """Return the faults that make sense on a role, its default first."""
    fitting = [f for f in all_faults().values() if role in f.roles]
    return tuple(sorted(fitting, key=lambda f: (role not in f.default_for, f.name)))


def get(name: str) -> Fault:
    """Return the fault of that name. Raises FaultError that guesses which was meant."""
    known = all_faults()
    if name in known:
        return known[name]
    hint = did_you_mean(name, known) or "'lvslab faults' lists them"
    raise FaultError(f"there is no fault {name!r}", fix=hint)


def effect_of(name: str, role: Role) -> Effect | None:
    """Return what a protocol can promise of a fault; None: nothing, or there is no such fault."""
    fault = all_faults().get(name)
    return None if fault is None else fault.effect.get(role)


def speaks(name: str) -> Language | None:
    """Return what the one program speaks that a fault is of; None: it is of all of a node."""
    fault = all_faults().get(name)
    return None if fault is None else fault.speaks


def link_of(name: str) -> Link | None:
    """Return which of a director's links a fault takes down; None: neither."""
    fault = all_faults().get(name)
    return None if fault is None else fault.link


def ends_kernel(name: str) -> bool:
    """Whether a node's kernel (its network namespace) is gone after the fault."""
    fault = all_faults().get(name)
    return fault is not None and fault.engine_heal


@dataclass(frozen=True, slots=True)
class Mistake:
    """A parameter that is wrong."""

    key: str
    what: str
    fix: str


def mistakes(fault: Fault, given: Mapping[str, Any]) -> list[Mistake]:
    """Return what is wrong with a fault's parameters; empty when nothing is."""
    try:
        fault.params.model_validate(given)
    except ValidationError as error:
        return [_mistake(fault, details) for details in error.errors(include_url=False)]
    return []


def _mistake(fault: Fault, details: ErrorDetails) -> Mistake:
    key = str(details["loc"][0]) if details["loc"] else ""
    known = list(fault.params.model_fields)
    if details["type"] == "extra_forbidden":
        what = f"fault {fault.name!r} has no parameter {key!r}"
        fix = f"{did_you_mean(key, known)} it has {', '.join(known) or 'none'}"
        return Mistake(key, what, fix.lstrip())
    what = details["msg"].removeprefix("Value error, ")
    what = what[:1].lower() + what[1:]
    fix = f"'lvslab faults {fault.name}' says what it takes"
    return Mistake(key, f"parameter {key!r} of fault {fault.name!r}: {what}" if key else what, fix)


def parameters(fault: Fault, given: Mapping[str, Any]) -> Params:
    """Return a fault's parameters. Raises FaultError that names the first that is wrong."""
    wrong = mistakes(fault, given)
    if wrong:
        raise FaultError(wrong[0].what, fix=wrong[0].fix)
    return fault.params.model_validate(given)


def _default(fault: Fault, target: Target) -> Fault:
    """Return a role's default, or what stands in for it where it is refused."""
    for one in (fault, *map(get, fault.or_else)):
        if one.refuses(target) is None:
            return one
    return fault


def choose(
    spec: TopologySpec,
    node: str,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
) -> tuple[Fault, Target]:
    """Return the fault to inject (the role's default when ``name`` is None) and its target.

    A default that makes no sense on this very node gives way to its ``or_else``.

    Raises FaultError when there is no such node or fault, or when the fault makes no sense
    on that node; the error says what would.
    """
    target = target_of(spec, node)
    fitting = faults_for(target.role)
    if not fitting:
        breakable = [n for n, r in roles_of(spec).items() if faults_for(r)]
        raise FaultError(
            f"{node} is {A_ROLE[target.role]}: it is what measures, and is not broken",
            fix=f"aim at one of {', '.join(breakable)}",
        )
    fault = _default(fitting[0], target) if name is None else get(name)
    if target.role not in fault.roles:
        aims = [n for n, r in roles_of(spec).items() if r in fault.roles]
        role = A_ROLE[target.role]
        aim = f"aim it at one of {', '.join(aims)}" if aims else "no node of this lab can have it"
        raise FaultError(
            f"fault {name!r} makes no sense on {node}, which is {role}",
            fix=f"{aim}; 'lvslab faults' lists those for {role}",
        )
    target = replace(target, params=parameters(fault, params or {}))
    if (why := fault.refuses(target)) is not None:
        plain = replace(target, params=Params())
        others = [f.name for f in fitting if f is not fault and f.refuses(plain) is None]
        raise FaultError(
            f"fault {fault.name!r} makes no sense on {node}: {why}",
            fix=f"on {node}: {', '.join(others)}",
        )
    return fault, target
