"""What was seen, on one clock: CLOCK_MONOTONIC of the engine's kernel, in seconds.

An event is kept as the agent wrote it (docs/agent.md), so a recorded timeline is simply
those lines, after one that says what the run was. The typed views below read the fields.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TextIO, cast, get_args

from lvslab.errors import USAGE, LvslabError

ProbeOutcome = Literal["ok", "late", "refused", "reset", "timeout", "unreachable", "bad"]
OUTCOMES: tuple[ProbeOutcome, ...] = get_args(ProbeOutcome)

#: First line of a recorded timeline.
FORMAT = "lvslab-timeline"
FORMAT_VERSION = 1

#: lvslab's own event: what a director held when the recording began, from its ``status``.
INITIAL = "lab.initial"

_SILENT = frozenset({"lo", "tunl0"})

# What must be in an event of these kinds for the figures to mean anything. Kinds that are
# not here are kept as they are: an agent may know more than this lvslab.
_FIELDS: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "vrrp.state": {"instance": str, "state": str},
    "addr.add": {"interface": str, "address": str, "vip": bool},
    "addr.del": {"interface": str, "address": str, "vip": bool},
    "link": {"interface": str, "up": bool},
    "arp.gratuitous": {"address": str, "dir": str},
    "vrrp.advert": {"vrid": int, "priority": int, "src": str, "dir": str},
    "lvs.rs": {"vs": str, "rs": str, "state": str},
    "fault.injected": {"fault": str},
    "fault.healed": {"fault": str},
    "probe.result": {
        "seq": int,
        "due": (int, float),
        "start": (int, float),
        "end": (int, float),
        "result": str,
    },
    INITIAL: {"holds": list},
}


class TimelineError(LvslabError):
    """A line or a file that is not a timeline."""

    exit_code = USAGE


@dataclass(frozen=True, slots=True)
class Event:
    """Something seen at ``t`` (seconds, engine kernel's monotonic clock) in ``node``."""

    t: float
    node: str
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_agent(cls, line: Mapping[str, Any], where: str = "agent") -> Event:
        """Return the event that an agent's line (as decoded JSON) is.

        Raises TimelineError, naming ``where``, when it is none or lacks what its kind needs.
        """
        try:
            t, node, kind = line["t"], line["node"], line["ev"]
        except KeyError as missing:
            raise TimelineError(f"an event without {missing}", where=where) from None
        if not _is(t, (int, float)) or not isinstance(node, str) or not isinstance(kind, str):
            raise TimelineError("an event whose t, node or ev has the wrong type", where=where)
        data = {k: v for k, v in line.items() if k not in ("t", "node", "ev")}
        for name, types in _FIELDS.get(kind, {}).items():
            if not _is(data.get(name), types):
                raise TimelineError(
                    f"{kind} of {node}: field {name!r} is missing or of the wrong type",
                    where=where,
                )
        return cls(float(t), node, kind, data)

    @property
    def moves_vip(self) -> bool:
        """Whether a VIP came to its node or went, as one that the node answers for.

        A real server has it, too, with DR on lo and with TUN on tunl0; but it must keep quiet
        about it, and holds nothing.
        """
        return (
            self.kind in ("addr.add", "addr.del")
            and bool(self.data["vip"])
            and self.data["interface"] not in _SILENT
        )

    @property
    def lasted(self) -> float:
        """Seconds from its moment until all of it was done; 0 where that is not told."""
        end = self.data.get("t_end")
        return max(0.0, float(end) - self.t) if isinstance(end, (int, float)) else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return it as the agent's line, to be encoded."""
        return {"t": self.t, "node": self.node, "ev": self.kind, **self.data}


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One request of the probe. Times in seconds on the engine's clock."""

    seq: int
    target: str
    #: When the schedule wanted it to start; ``start - due`` is the probe's own lateness.
    due: float
    start: float
    end: float
    result: ProbeOutcome
    #: Who answered (node or address, as the real server says of itself).
    server: str | None = None
    detail: str | None = None

    @property
    def good(self) -> bool:
        """Answered as it should be, within the deadline."""
        return self.result == "ok"

    @classmethod
    def of(cls, event: Event) -> ProbeResult:
        """Read a ``probe.result`` event. Raises TimelineError for an unknown result."""
        d = event.data
        if d["result"] not in OUTCOMES:
            raise TimelineError(f"probe result {d['result']!r} is none of {', '.join(OUTCOMES)}")
        return cls(
            seq=d["seq"],
            target=target_key(d.get("target")),
            due=float(d["due"]),
            start=float(d["start"]),
            end=float(d["end"]),
            result=cast(ProbeOutcome, d["result"]),
            server=d.get("server"),
            detail=d.get("detail"),
        )


def target_key(target: Any) -> str:
    """Return a probe's target as it is called (``VIP:PORT``), however it is written."""
    if isinstance(target, str):  # nearly always: a Mapping is asked for slowly
        return target
    if isinstance(target, Mapping):
        return f"{target.get('vip')}:{target.get('port')}"
    return str(target)


def probe_results(events: Iterable[Event]) -> list[ProbeResult]:
    """Return all probe results, by schedule (they arrive by completion)."""
    results = [ProbeResult.of(e) for e in events if e.kind == "probe.result"]
    return sorted(results, key=lambda r: (r.due, r.seq))


def parse_line(text: str, where: str = "agent") -> Event | None:
    """Return the event on an agent's line, or None for a reply to a command.

    Raises TimelineError for a line that is neither.
    """
    try:
        line = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise TimelineError(f"not JSON: {error}", where=where) from None
    if not isinstance(line, dict):
        raise TimelineError("not a JSON object", where=where)
    return None if "re" in line else Event.from_agent(line, where)


def write(out: TextIO, run: Mapping[str, Any], events: Iterable[Event]) -> None:
    """Write a timeline as JSON lines: first what the run was, then each event."""
    header = {"format": FORMAT, "version": FORMAT_VERSION, "run": run}
    out.write(json.dumps(header, allow_nan=False) + "\n")
    for event in events:
        out.write(json.dumps(event.to_json(), allow_nan=False) + "\n")


def read(lines: Iterable[str], name: str = "timeline") -> tuple[dict[str, Any], list[Event]]:
    """Read what :func:`write` wrote: the run's description and its events, in file order.

    Raises TimelineError with the line's number. A last line cut short (a writer that was
    killed) is an error too: figures from half a recording would look like whole ones.
    """
    numbered: Iterator[tuple[int, str]] = enumerate(lines, 1)
    _, first = next(numbered, (1, ""))
    try:
        header = json.loads(first)
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise TimelineError(
            "not a timeline of lvslab", where=f"{name}:1", fix="give a file written by lvslab"
        )
    if header.get("version") != FORMAT_VERSION:
        raise TimelineError(
            f"timeline version {header.get('version')!r}; this lvslab reads {FORMAT_VERSION}",
            where=f"{name}:1",
            fix="read it with the lvslab that wrote it",
        )
    run = header.get("run")
    if not isinstance(run, dict):
        raise TimelineError("the first line does not say what was run", where=f"{name}:1")
    events = []
    for number, text in numbered:
        if text.strip() and (event := parse_line(text, f"{name}:{number}")):
            events.append(event)
    return run, events


def _no_number(text: str) -> float:
    # Python's json reads NaN, with which no two moments can be compared.
    raise ValueError(f"{text} is no number")


def _is(value: Any, types: type | tuple[type, ...]) -> bool:
    if type(value) is types:  # nearly always, and there are thousands
        return True
    # bool is an int to Python; a flag where a number belongs is a broken line.
    wanted = types if isinstance(types, tuple) else (types,)
    return isinstance(value, wanted) and (bool in wanted or not isinstance(value, bool))
