"""Injecting and healing: journalled first, newest healed first, safe to repeat."""

from __future__ import annotations

from . import children, state
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

#: Operations whose effect outlives a restart of the container: they change files.
_OUTLIVES = frozenset({"run"})
#: Seconds for which a command waits for the one before it.
_TURN = 120.0


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
            {key: value for key, value in entry.items() if key not in ("state", "life", "file")}
            for entry in reversed(self._journal.entries())
        ]

    def inject(self, order: dict[str, Any], reply: Callable[[dict[str, Any]], None]) -> Task:
        """Task: inject a fault and reply {t, t_end}. Raises Refused; then it was undone."""
        yield from self._turn()
        try:
            entry = yield from self._entry(order)
            context = self._context
            context.recorded = None
            self._journal.write(entry)
            # From here to the first operation: nothing that takes time.
            t = now()

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

    def heal(self, fault_id: str | None) -> Task:
        """Task: heal one fault or all, newest first; return {healed: [ids]}. Raises Refused."""
        yield from self._turn()
        try:
            entries = self._journal.entries()
            if fault_id is not None:
                entries = [entry for entry in entries if entry["fault_id"] == fault_id]
            healed, errors = [], []
            for entry in entries:
                failed = yield from self._undo(entry)
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
            if "broken" in entry or entry["life"] != self._life:
                # Namespaces and processes are new; what was changed on disk is not.
                ops = [op for op in entry.get("heal", []) if op.get("op") in _OUTLIVES]
                yield from self._undo(entry, ops, by="restart")

    def _turn(self) -> Task:
        if not (yield Until(lambda: not self._busy, now() + _TURN)):
            raise Refused("another fault is still being injected or healed", "try again")
        self._busy = True

    def _entry(self, order: dict[str, Any]) -> Task:
        """Task: return a new entry, with the state recorded where healing needs it."""
        fault_id = str(order["fault_id"])
        if any(entry["fault_id"] == fault_id for entry in self._journal.entries()):
            raise Refused(f"fault {fault_id} is injected already", "heal it first")
        ops, heal = list(order["ops"]), list(order.get("heal", []))
        for op in (*ops, *heal):
            check(op)
        entry: dict[str, Any] = {"fault_id": fault_id, "fault": str(order["fault"])}
        entry |= {"ops": ops, "heal": heal, "life": self._life, "t": now(), "state": None}
        if any(op.get("op") == "restore" for op in heal):
            context = self._context
            entry["state"] = yield from children.call(
                context.loop,
                context.supervisor,
                lambda: state.take(context.supervisor),
                STATE_TIMEOUT,
            )
        return entry

    def _undo(
        self, entry: dict[str, Any], ops: Iterable[dict[str, Any]] | None = None, by: str = "heal"
    ) -> Task:
        """Task: do an entry's healing operations, all of them; return what failed, in words."""
        context = self._context
        context.recorded, context.left = entry.get("state"), []
        failed: list[str] = []
        t = now()
        for op in entry.get("heal", []) if ops is None else ops:
            try:
                yield from perform(context, op)
            except Refused as error:
                failed.append(error.what)
        if failed and by == "heal":
            return failed
        self._journal.remove(entry)
        self._emit(
            "fault.healed",
            t,
            fault=entry["fault"],
            id=entry["fault_id"],
            t_end=round(now(), 6),
            by=by,
            left=context.left + failed,
        )
        return []

    def _injected(self, entry: dict[str, Any], t: float) -> None:
        end = entry["t_end"] = now()
        self._emit(
            "fault.injected", t, fault=entry["fault"], id=entry["fault_id"], t_end=round(end, 6)
        )

    @staticmethod
    def _times(t: float) -> dict[str, Any]:
        return {"t": round(t, 6), "t_end": round(now(), 6)}
