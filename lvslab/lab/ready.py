"""Ready means proven: one director holds each VIP, its table is complete, all have answered."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lvslab.errors import LvslabError, NotReadyError
from lvslab.lab.api import in_parallel
from lvslab.lab.conditions import (
    Unmet,
    asked,
    unmet_answers,
    unmet_gateway,
    unmet_holders,
    unmet_services,
    unmet_tables,
    unmet_tunnels,
)
from lvslab.observe.link import Subscription, with_log
from lvslab.topology.served import request_to

if TYPE_CHECKING:
    from lvslab.lab.lab import Lab
    from lvslab.progress import Progress, Step

#: Seconds between two looks when no event tells of a change: an IPVS table has no events.
_LOOK = 0.5
#: Seconds that one request to a VIP may take; generous, for software emulation.
_REQUEST_DEADLINE = 2.0
_MAX_REQUESTS = 24
#: Seconds that an agent is given beyond the deadline: its answer is due, not an event.
_GRACE = 5.0
_TELLING = ("vrrp.", "addr.", "lvs.", "link", "service.", "agent.")


def wait_ready(lab: Lab, *, timeout: float, progress: Progress) -> None:
    """Wait until the lab is proven ready; ``timeout`` in seconds.

    Raises NotReadyError that says which condition does not hold, with the last log lines of
    the node concerned; AgentError as soon as a director or the asking client dies.
    """
    with progress.step("proving it ready") as step, Subscription() as events:
        _Waiting(lab, events, step, time.monotonic() + timeout, timeout).run()


class _Waiting:
    def __init__(
        self, lab: Lab, events: Subscription, step: Step, deadline: float, timeout: float
    ) -> None:
        self._lab = lab
        self._spec = lab.spec
        self._events = events
        self._step = step
        self._deadline = deadline
        self._timeout = timeout
        self._directors = {d.name for d in lab.directors}
        self._statuses: dict[str, dict[str, Any]] = {}
        self._answered: dict[str, set[str]] = {}
        self._results: dict[str, str] = {}

    def run(self) -> None:
        in_parallel(self._lab.directors, lambda node: node.link())
        for node in self._lab.nodes.values():
            # All that were started just now are attached: one that dies is told of at once.
            link = node.attached()
            if link is not None:
                self._events.add(link)
        changed = self._directors
        while True:
            self._look(changed)
            unmet = self._unmet()
            if not unmet:
                return
            self._step.note(unmet[0].what)
            if time.monotonic() >= self._deadline:
                raise self._late(unmet)
            changed = self._await_change() or self._directors

    def _look(self, names: set[str]) -> None:
        """Ask directors for their status, all at once."""
        self._statuses |= self._ask_status(names)

    def _ask_status(self, names: Iterable[str]) -> dict[str, dict[str, Any]]:
        waiting = {n: self._lab.nodes[n].link().send("status") for n in sorted(names)}
        return {
            name: self._lab.nodes[name]
            .link()
            .wait(future, do="status", timeout=self._left() + _GRACE)
            for name, future in waiting.items()
        }

    def _tunnels(self) -> list[Unmet]:
        """Ask the real servers for their ends of the tunnel, where requests come through one."""
        if self._spec.forwarding != "TUN":
            return []
        return unmet_tunnels(self._spec, self._ask_status(r.name for r in self._lab.real_servers))

    def _unmet(self) -> list[Unmet]:
        unmet = unmet_services(self._statuses)
        unmet += unmet_holders(self._spec, self._statuses)
        unmet += unmet_gateway(self._spec, self._statuses)
        unmet += unmet_tables(self._spec, self._statuses)
        # A request before that would only tell what is known already.
        if not unmet and unmet_answers(self._spec, self._answered):
            unmet = self._tunnels()
        if not unmet and unmet_answers(self._spec, self._answered):
            self._ask()
            unmet = unmet_answers(self._spec, self._answered)
        return unmet

    def _ask(self) -> None:
        """Let the first client ask every virtual server a few times, all at once."""
        link = self._lab.nodes[self._spec.clients[0].name].link()
        waiting = {}
        for vs in asked(self._spec):
            count = min(_MAX_REQUESTS, 2 * len(vs.members))
            waiting[vs.key] = (
                count,
                link.send(
                    "request",
                    **request_to(self._spec, vs),
                    count=count,
                    deadline=_REQUEST_DEADLINE,
                ),
            )
        for key, (count, future) in waiting.items():
            patience = count * _REQUEST_DEADLINE + _GRACE
            results = link.wait(future, do="request", timeout=patience)["results"]
            seen = {r["server"] for r in results if r["result"] == "ok"}
            self._answered.setdefault(key, set()).update(seen)
            bad = [r for r in results if r["result"] != "ok"]
            if bad:
                self._results[key] = f"{bad[-1]['result']} {bad[-1].get('detail', '')}".strip()

    def _await_change(self) -> set[str]:
        """Wait for an event that may change a status; return the directors concerned."""
        until = min(self._deadline, time.monotonic() + _LOOK)
        changed: set[str] = set()
        while (left := until - time.monotonic()) > 0:
            # After the first one, take only what is there already.
            event = self._events.get(0 if changed else left)
            if event is None:
                break
            if event.get("node") in self._directors and event["ev"].startswith(_TELLING):
                changed.add(event["node"])
        return changed

    def _late(self, unmet: list[Unmet]) -> NotReadyError:
        first = unmet[0]
        node = self._lab.nodes.get(first.node)
        others = "".join(f"\n  and {u.what if u.node == first.node else f'{u.node}: {u.what}'}"
                         for u in unmet[1:])  # fmt: skip
        seen = "; ".join(f"{key}: the last request ended with {r}" for key, r in
                         self._results.items())  # fmt: skip
        what = f"not ready after {self._timeout:.0f} s: {first.what}{others}"
        what += f" ({seen})" if seen else ""
        faults = self._faults()
        fix = (
            "lvslab status shows more, lvslab lint TOPOLOGY looks for a mistake in it; "
            "lvslab up waits on, after lvslab teardown it starts anew"
        )
        if faults:
            fix = f"injected and not healed: {faults}; lvslab heal undoes it, then lvslab up"
        return NotReadyError(
            with_log(what, node.container) if node else what, where=first.node, fix=fix
        )

    def _faults(self) -> str:
        """Return the faults that nodes still have, from their journals, as far as they answer."""
        named = []
        for node in self._lab.nodes.values():
            try:
                journal = node.link().request("journal", timeout=_GRACE)["entries"]
            except LvslabError as error:
                named.append(f"{node.name}: {error.what.splitlines()[0]}")
            else:
                named += [f"{entry['fault']} in {node.name}" for entry in journal]
        return ", ".join(named)

    def _left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())
