"""Finds every fault in this package: a new one is a new file and no edit elsewhere."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType, ModuleType

from lvslab import faults
from lvslab.errors import FaultError
from lvslab.faults.model import A_ROLE, Fault, Target, roles_of, target_of
from lvslab.plan.model import Role
from lvslab.topology.spec import TopologySpec

_MACHINERY = frozenset({"model", "registry"})


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
    """Return the fault of that name. Raises FaultError that lists all and guesses."""
    known = all_faults()
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1)
    guess = f"did you mean {close[0]!r}? " if close else ""
    raise FaultError(f"there is no fault {name!r}", fix=f"{guess}supported: {', '.join(known)}")


def choose(spec: TopologySpec, node: str, name: str | None = None) -> tuple[Fault, Target]:
    """Return the fault to inject (the role's default when ``name`` is None) and its target.

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
    if name is None:
        return fitting[0], target
    fault = get(name)
    if target.role not in fault.roles:
        aims = [n for n, r in roles_of(spec).items() if r in fault.roles]
        raise FaultError(
            f"fault {name!r} makes no sense on {node}, which is {A_ROLE[target.role]}",
            fix=f"on {node}: {', '.join(f.name for f in fitting)}; "
            f"{name} can be aimed at: {', '.join(aims) or 'nothing in this lab'}",
        )
    return fault, target
