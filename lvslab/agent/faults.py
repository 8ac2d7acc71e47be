"""Injecting and healing: journalled first, newest healed first, safe to repeat."""

from __future__ import annotations

from . import children, files, state
from .journal import life
from .loop import Until
from .ops import STATE_TIMEOUT, check, perform
from .proto import Refused, now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .journal import Journal
    from .loop import Task
    from .ops import Context

#: Of a journal's entry, what is nobody else's business.
_PRIVATE = frozenset({"state", "life", "file", "files"})
#: ``kill``: whose death is the service's end.
_WHOLE = ("parent", "all-no-cleanup")
#: Seconds for which a command waits for the one before it.
_TURN = 120.0


def _outlives(op: dict[str, Any]) -> bool:
    """Return whether a healing operation must be done even after a restart of the container.

    Files stay changed; and what lvslab did outside, where the operation says so.
    """
    return op.get("op") == "write-back" or bool(op.get("lasting"))


def _is_outside(op: dict[str, Any]) -> bool:
    return op.get("op") == "outside"


def touched(op: dict[str, Any]) -> str | None:
    """Return what an operation takes for itself, until it is healed; None: nothing.

    Two faults that changed one thing could only be healed newest first. ``a:b`` is part of
    ``a``. An operation may name something else itself, by ``touches``.
    """
    name = op.get("op")
    if "touches" in op:
        return str(op["touches"])
    if name == "link":
        return f"link:{op.get('dev', 'eth0')}"
    if name == "write":
        return f"file:{op['path']}"
    if name == "service-stop" or (name == "kill" and op.get("who") in (*_WHOLE, None)):
        return f"service:{op['name']}"
    if name == "freeze":
        return "processes"
    if name == "address":
        return f"address:{op.get('dev', 'eth0')}:{op['address']}"
    return None


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(other + ":") or other.startswith(one + ":")


class Faults:
    """Carries out ``inject`` and ``heal``, one at a time."""

    def __init__(
        self,
        context: Context,
        journal: Journal,
        emit: Callable[..., None],
        flush: Callable[[], None],
    ) -> None:
        self._context = context
        self._journal = journal
        self._emit = emit
        self._flush = flush
        self._life = life()
        self._busy = False

    def listed(self) -> list[dict[str, Any]]:
        """Return what was injected and not yet healed, oldest first, without recorded states."""
        return [
            {key: value for key, value in entry.items() if key not in _PRIVATE}
            for entry in reversed(self._journal.entries())
        ]

    def prepare(self, order: dict[str, Any], reply: Callable[[dict[str, Any]], None]) -> Task:
        """Task: journal a fault without doing anything yet; ``inject`` by its id does it."""
        yield from self._turn()
        try:
            entry = yield from self._entry(order)
            entry["prepared"] = True
            self._journal.write(entry)
            reply({})
        finally:
            self._busy = False

    def inject(self, order: dict[str, Any], reply: Callable[[dict[str, Any]], None]) -> Task:
        """Task: inject a fault and reply {t, t_end}. Raises Refused; then it was undone.

        ``t`` in the order is the moment of a fault that was caused outside the node.
        """
        yield from self._turn()
        try:
            if "ops" in order:
                entry = yield from self._entry(order)
                self._journal.write(entry)
            else:
                entry = self._prepared(str(order["fault_id"]))
            context = self._context
            context.recorded = None
            # From here to the first operation: nothing that takes time.
            t = now() if order.get("t") is None else float(order["t"])

            def last_words() -> None:
                self._injected(entry, t)
                reply(self._times(t))
                self._flush()

            context.last_words = last_words
            try:
                for op in entry["ops"]:
                    yield from perform(context, op)
            except Refused as error:
                left = yield from self._undo(entry)
                fix = "; ".join([error.fix, *left]) if left else f"{error.fix} (it was undone)"
                raise Refused(error.what, fix) from error
            self._injected(entry, t)
            reply(self._times(t))
        finally:
            self._busy = False

    def heal(self, order: dict[str, Any]) -> Task:
        """Task: heal one fault or all, newest first; return {healed: [ids]}. Raises Refused.

        ``t`` in the order is when what lies outside the node was undone.
        """
        yield from self._turn()
        try:
            fault_id, t = order.get("fault_id"), order.get("t")
            entries = self._journal.entries()
            if fault_id is not None:
                entries = [entry for entry in entries if entry["fault_id"] == fault_id]
            healed, errors = [], []
            for entry in entries:
                if fault_id is None and any(map(_is_outside, entry.get("heal", ()))):
                    errors.append(f"{entry['fault_id']}: part of it lies outside this node")
                    continue
                failed = yield from self._undo(entry, t=None if t is None else float(t))
                errors += [f"{entry['fault_id']}: {text}" for text in failed]
                if not failed:
                    healed.append(entry["fault_id"])
            if errors:
                raise Refused("; ".join(errors), "put right what is named, then heal again")
            return {"healed": healed}
        finally:
            self._busy = False

    def recover(self) -> Task:
        """Task, at the agent's start: close what the restart of the container has healed."""
        for entry in self._journal.entries():
            if "broken" not in entry and entry["life"] == self._life:
                continue
            # Namespaces and processes are new; what was changed on disk is not.
            healing = [op for op in entry.get("heal", ()) if _outlives(op)]
            left = [op for op in healing if _is_outside(op)]
            if left:
                # Something of it still runs beside this node, and is lvslab's to end.
                for op in healing:
                    yield from self._attempt(entry, op)
                self._journal.write(entry | {"heal": left, "ops": [], "life": self._life})
            else:
                yield from self._undo(entry, healing, by="restart")

    def _turn(self) -> Task:
        if not (yield Until(lambda: not self._busy, now() + _TURN)):
            raise Refused("another fault is still being injected or healed", "try again")
        self._busy = True

    def _entry(self, order: dict[str, Any]) -> Task:
        """Task: return a new entry, with the state recorded where healing needs it."""
        fault_id = str(order["fault_id"])
        ops, heal = list(order["ops"]), list(order.get("heal", []))
        for op in (*ops, *heal):
            check(op)
        touches = sorted({what for op in (*ops, *heal) if (what := touched(op)) is not None})
        self._free(fault_id, touches)
        entry: dict[str, Any] = {"fault_id": fault_id, "fault": str(order["fault"])}
        entry |= {"ops": ops, "heal": heal, "life": self._life, "t": now(), "state": None}
        entry |= {"touches": touches, "target": order.get("target")}
        entry["files"] = {op["path"]: files.read(op["path"]) for op in ops if op["op"] == "write"}
        if any(op.get("op") == "restore" for op in heal):
            context = self._context
            entry["state"] = yield from children.call(
                context.loop,
                context.supervisor,
                lambda: state.take(context.supervisor),
                STATE_TIMEOUT,
            )
        return entry

    def _free(self, fault_id: str, touches: list[str]) -> None:
        """Refuse a fault that is there already, or that touches what another has changed."""
        for entry in self._journal.entries():
            if entry["fault_id"] == fault_id:
                raise Refused(f"fault {fault_id} is injected already", "heal it first")
            for mine in touches:
                for theirs in entry.get("touches", ()):
                    if _overlap(mine, theirs):
                        raise Refused(
                            f"{entry['fault']} has changed {theirs} already: only one fault at a "
                            "time can",
                            f"heal it first: lvslab heal {entry.get('target') or ''}".rstrip(),
                        )

    def _prepared(self, fault_id: str) -> dict[str, Any]:
        for entry in self._journal.entries():
            if entry["fault_id"] == fault_id and entry.pop("prepared", False):
                self._journal.write(entry)
                return entry
        raise Refused(f"fault {fault_id} was not prepared", "send ops and heal with it")

    def _attempt(self, entry: dict[str, Any], op: dict[str, Any]) -> Task:
        """Task: do one healing operation; return what failed, in words, or None."""
        context = self._context
        context.recorded, context.files = entry.get("state"), entry.get("files", {})
        try:
            yield from perform(context, op)
        except Refused as error:
            return error.what
        return None

    def _undo(
        self,
        entry: dict[str, Any],
        ops: Iterable[dict[str, Any]] | None = None,
        by: str = "heal",
        t: float | None = None,
    ) -> Task:
        """Task: do an entry's healing operations, all of them; return what failed, in words."""
        context = self._context
        context.left = []
        failed: list[str] = []
        t = now() if t is None else t
        for op in entry.get("heal", []) if ops is None else ops:
            what = yield from self._attempt(entry, op)
            if what is not None:
                failed.append(what)
        if failed and by == "heal":
            return failed
        self._journal.remove(entry)
        self._emit(
            "fault.healed",
            t,
            fault=entry["fault"],
            id=entry["fault_id"],
            target=entry.get("target"),
            t_end=round(now(), 6),
            by=by,
            left=context.left + failed,
        )
        return []

    def _injected(self, entry: dict[str, Any], t: float) -> None:
        end = entry["t_end"] = now()
        self._emit(
            "fault.injected",
            t,
            fault=entry["fault"],
            id=entry["fault_id"],
            target=entry.get("target"),
            t_end=round(end, 6),
        )

    @staticmethod
    def _times(t: float) -> dict[str, Any]:
        return {"t": round(t, 6), "t_end": round(now(), 6)}
