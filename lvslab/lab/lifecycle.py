"""A lab from its engine's start to its end: what ``up`` and ``teardown`` are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lvslab import record
from lvslab.engine.docker_engine import DockerEngine
from lvslab.engine.embedded.engine import EmbeddedEngine
from lvslab.engine.embedded.manager import Manager
from lvslab.engine.select import Choice, How, Opened, machine_name, open_engine, start_engine
from lvslab.errors import CancelledError, ConflictError, EngineError
from lvslab.lab.converge import Changes, preview, up
from lvslab.lab.lab import Lab
from lvslab.lab.teardown import teardown

if TYPE_CHECKING:
    from lvslab.engine.base import Engine
    from lvslab.plan.model import Plan
    from lvslab.progress import Progress
    from lvslab.topology.spec import TopologySpec

#: The machine did not run before.
_MADE_NOW: tuple[How, ...] = ("lab", "engine", "boot")


@dataclass(frozen=True, slots=True)
class Brought:
    """A lab that is up, proven ready. The caller closes ``lab`` and its engine."""

    lab: Lab
    #: How its engine came to be there.
    how: How
    #: Why ``auto`` did not take the user's Docker, if it did not.
    refused: str
    #: What had to be done.
    changes: Changes
    #: Nothing of the lab was running before.
    fresh: bool
    #: Why its state could not be saved, so that the next start takes longer; empty if it was.
    unsaved: str = ""


def bring_up(
    spec: TopologySpec,
    plan: Plan,
    choice: Choice,
    *,
    source: str,
    progress: Progress,
    undo: bool = False,
) -> Brought:
    """Bring a lab to its plan, on the engine it is on or one that is started for it.

    ``source`` is where the topology was read from, for the record. A saved lab is restored,
    a new one is saved. Raises LvslabError, with ``undo`` after removing a lab that was not there
    before; CancelledError on Ctrl-C, which always removes such a one.
    """
    name = spec.name
    opened = start_engine(
        record.engine_for(choice, name),
        name,
        debian=spec.debian,
        plan=plan.digest,
        progress=progress,
        nodes=len(plan.nodes),
    )
    known = name in record.load_all()
    lab, fresh = None, opened.how in _MADE_NOW
    try:
        # Before anything is made: a teardown after kill -9 must find its way here.
        _remember(spec, opened.engine, source)
        changes = preview(opened.engine, plan)
        fresh = fresh or (opened.how == "given" and changes.fresh)
        lab = up(opened.engine, plan, progress=progress)
        unsaved = _save(opened, plan, progress)
    except BaseException as error:
        _close(lab, opened.engine)
        cancelled = isinstance(error, KeyboardInterrupt | CancelledError)
        if undo and fresh:
            tear_down(name, opened.engine.kind, progress=progress)
        elif not known and (cancelled or isinstance(error, ConflictError)):
            _forget(name, opened, progress)
        if cancelled and opened.how in _MADE_NOW and not known:
            raise CancelledError("cancelled: what was begun was removed again") from error
        if isinstance(error, KeyboardInterrupt):
            raise CancelledError("cancelled") from error
        raise
    return Brought(lab, opened.how, opened.refused, changes, fresh, unsaved)


def open_lab(name: str, choice: Choice, *, progress: Progress) -> Lab:
    """Return a lab that is there; the caller closes it and its engine.

    Raises NotFoundError when no engine has it, EngineError when its machine was killed.
    """
    engine = open_engine(record.engine_for(choice, name), name, progress=progress)
    try:
        return Lab.find(engine, name)
    except BaseException:
        engine.close()
        raise


def tear_down(name: str, choice: Choice, *, progress: Progress) -> bool:
    """Remove a lab from wherever it is; False when there was nothing, not even a memory."""
    known = record.load_all().get(name)
    choice = record.engine_for(choice, name)
    gone = False
    if choice != "docker":
        manager = Manager(progress)
        if manager.exists(machine_name(name)):
            with progress.step(f"ending the machine of lab {name}"):
                gone = manager.stop(machine_name(name))
    if choice != "embedded" and not gone:
        try:
            engine = DockerEngine.connect()
        except EngineError:
            # Without an engine nothing can be said of a lab that was on it.
            if choice == "docker":
                raise
        else:
            try:
                gone = teardown(engine, name, progress=progress)
            finally:
                engine.close()
    record.forget(name)
    return gone or known is not None


def _remember(spec: TopologySpec, engine: Engine, source: str) -> None:
    """Record a lab for the next command and for completion."""
    nodes = {n.name: "director" for n in spec.directors}
    nodes |= {n.name: "real-server" for n in spec.real_servers}
    nodes |= {n.name: "client" for n in spec.clients}
    host = engine.info().docker_host
    record.save(record.Record(spec.name, engine.kind, host, source, nodes))


def _save(opened: Opened, plan: Plan, progress: Progress) -> str:
    """Save a lab that was made just now; return why it could not be, or nothing."""
    if opened.how not in ("engine", "boot") or not isinstance(opened.engine, EmbeddedEngine):
        return ""
    try:
        Manager(progress).save_lab(opened.engine, plan.digest)
    except EngineError as error:
        # The lab is up all the same; only the next start is slower.
        return error.what
    return ""


def _forget(lab: str, opened: Opened, progress: Progress) -> None:
    if opened.how in _MADE_NOW:
        Manager(progress).stop(machine_name(lab))
    record.forget(lab)


def _close(lab: Lab | None, engine: Engine) -> None:
    if lab is not None:
        lab.close()
    engine.close()
