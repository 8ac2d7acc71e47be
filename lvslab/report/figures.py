"""The plots, as plotly.js reads them: plain data, which the page draws.

Colours are names with an ``@`` (``@ok``): the page puts in those of its theme. No meaning is in
a colour alone: outcomes have markers, and what should not be has a pattern.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from lvslab.report import lanes
from lvslab.scenario.seen import Seen
from lvslab.timeline.events import OUTCOMES

Figure = dict[str, Any]

#: Marker and colour of each outcome of a request.
_MARKERS: dict[str, tuple[str, str, int]] = {
    "ok": ("circle", "@ok", 4),
    "late": ("diamond", "@late", 8),
    "refused": ("x", "@failed", 7),
    "reset": ("triangle-down", "@failed", 8),
    "timeout": ("cross", "@failed", 7),
    "unreachable": ("square", "@failed", 7),
    "bad": ("star", "@failed", 9),
}
#: Colour and pattern of each kind of stretch; nodes have colours of their own.
_LOOKS: dict[str, tuple[str, str]] = {
    lanes.NONE: ("@failed", "x"),
    lanes.TWO: ("@two", "/"),
    lanes.UNKNOWN: ("@quiet", "."),
    "MASTER": ("@master", ""),
    "MASTER?": ("@master", ""),
    "BACKUP": ("@quiet", ""),
    "BACKUP?": ("@quiet", ""),
    "FAULT": ("@failed", "x"),
    "STOP": ("@late", "/"),
    "GONE": ("@failed", "/"),
    "in": ("@ok", ""),
    "out": ("@failed", "x"),
    "weight 0": ("@late", "/"),
}
_ROW, _GAP = 30, 46
#: Seconds: requests served are counted in bins of this width.
BIN = 0.5


def run(seen: Seen) -> Figure:
    """Return the lanes of a run under one time axis, in seconds since the first fault."""
    spec = seen.spec
    nodes = [d.name for d in spec.directors]
    nodes += [n.name for n in spec.real_servers] + [c.name for c in spec.clients]
    ticks = lanes.ticks(seen)
    ticked = [n for n in nodes if any(t.node == n for t in ticks)]
    bars = [
        ("Who held the VIP", lanes.holding(seen)),
        ("VRRP state", lanes.states(seen)),
        ("IPVS rows: which real servers each director had", lanes.tables(seen)),
    ]
    bars = [(title, stretches) for title, stretches in bars if stretches]
    heights = [260, 110]
    heights += [_ROW * len({s.row for s in stretches}) for _, stretches in bars]
    heights.append(max(_ROW, 26 * len(ticked)))
    titles = [
        "Latency of every request",
        f"Answers by real server, in {BIN:g} s",
        *(t for t, _ in bars),
    ]
    titles.append("Adverts and gratuitous ARP sent, other events")
    domains, total = _domains(heights)
    data: list[Figure] = [*_requests(seen), *_served(seen)]
    layout: Figure = {
        "height": total + 128,
        "barmode": "stack",
        "bargap": 0.15,
        "hovermode": "closest",
        "showlegend": True,
        "legend": {
            "orientation": "h",
            "yref": "container",
            "y": 1.0,
            "yanchor": "top",
            "x": 0,
            "traceorder": "normal",
        },
        "margin": {"l": 8, "r": 12, "t": 84, "b": 44},
        "uniformtext": {"minsize": 9, "mode": "hide"},
        "xaxis": {
            "title": {"text": "seconds since the first fault"},
            "range": _padded(*lanes.limits(seen)),
            "anchor": f"y{len(heights)}",
            "zeroline": False,
            "showspikes": True,
            "spikemode": "across",
            "spikethickness": 1,
            "spikedash": "dot",
            "spikecolor": "@ink",
        },
        "annotations": [_title(t, d[1]) for t, d in zip(titles, domains, strict=True)],
    }
    for number, domain in enumerate(domains, 1):
        axis: Figure = {"domain": domain, "anchor": "x", "fixedrange": True, "automargin": True}
        layout[_axis(number)] = axis
    layout["yaxis"] |= {
        "type": "log",
        "ticksuffix": " ms",
        "tickvals": [1, 10, 100, 1000],
        "range": [-0.6, 3.4],
    }
    layout["yaxis2"] |= {"rangemode": "tozero", "nticks": 4}
    for number, (_, stretches) in enumerate(bars, 3):
        rows = list(dict.fromkeys(s.row for s in stretches))
        layout[_axis(number)] |= {
            "type": "category",
            "categoryorder": "array",
            "categoryarray": rows[::-1],
        }
        data += _bars(stretches, f"y{number}", [d.name for d in seen.spec.directors])
    layout[_axis(len(heights))] |= {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": ticked[::-1],
        "range": [-0.6, max(len(ticked), 1) - 0.4],
    }
    data += _ticks(ticks, f"y{len(heights)}")
    layout["shapes"], marks = _shades(seen)
    layout["annotations"] += marks
    return {"data": data, "layout": layout}


def _requests(seen: Seen) -> list[Figure]:
    names = seen.recording.servers
    many = len(seen.recording.targets) > 1
    traces = []
    for outcome in OUTCOMES:
        mine = [r for r in seen.requests if r.result == outcome]
        if not mine:
            continue
        symbol, colour, size = _MARKERS[outcome]
        who = [names.get(r.server or "", r.server or "nobody") for r in mine]
        if many:
            who = [f"{w}, {r.target}" for w, r in zip(who, mine, strict=True)]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": outcome,
                "x": [round(r.start - seen.begin, 3) for r in mine],
                "y": [max(0.01, round((r.end - r.start) * 1000, 2)) for r in mine],
                "text": who,
                "marker": {"symbol": symbol, "color": colour, "size": size, "opacity": 0.8},
                "hovertemplate": f"%{{x:.3f}} s: {outcome}, %{{y:.1f}} ms, %{{text}}"
                "<extra></extra>",
                "xaxis": "x",
                "yaxis": "y",
            }
        )
    return traces


def _served(seen: Seen) -> list[Figure]:
    names = seen.recording.servers
    counts: dict[str, Counter[float]] = {name: Counter() for name in names.values()}
    for request in seen.requests:
        if request.good and request.server:
            name = names.get(request.server, request.server)
            at = (request.end - seen.begin) // BIN * BIN + BIN / 2
            counts.setdefault(name, Counter())[at] += 1
    return [
        {
            "type": "bar",
            "name": f"answered by {name}",
            "x": sorted(found),
            "y": [found[x] for x in sorted(found)],
            "width": BIN * 0.9,
            "marker": {
                "color": f"@s{i % 4}",
                "pattern": _pattern(("", "/", ".", "x")[i % 4]),
            },
            "hovertemplate": f"{name}: %{{y}} answers<extra></extra>",
            "xaxis": "x",
            "yaxis": "y2",
        }
        for i, (name, found) in enumerate(counts.items())
        if found
    ]


def _bars(stretches: Sequence[lanes.Stretch], axis: str, directors: Sequence[str]) -> list[Figure]:
    own = {name: (f"@d{i % 4}", "") for i, name in enumerate(directors)}
    traces = []
    for kind in dict.fromkeys(s.kind for s in stretches):
        mine = [s for s in stretches if s.kind == kind]
        plain = "@ok" if kind.startswith("weight") else "@quiet"
        colour, pattern = own.get(kind) or _LOOKS.get(kind, (plain, ""))
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": mine[0].label,
                "showlegend": False,
                "base": [round(s.start, 4) for s in mine],
                "x": [round(s.seconds, 4) for s in mine],
                "y": [s.row for s in mine],
                "text": [s.label for s in mine],
                "customdata": [[round(s.start, 3), round(s.end, 3)] for s in mine],
                "textposition": "inside",
                "insidetextanchor": "middle",
                "textangle": 0,
                "textfont": {"color": "@onbar", "size": 12},
                "marker": {
                    "color": colour,
                    # An outline, so that a moment of 50 ms is still seen.
                    "line": {"color": colour, "width": 1.5},
                    "pattern": _pattern(pattern),
                },
                "hovertemplate": "%{y}: %{text}<br>%{customdata[0]} to %{customdata[1]} s, "
                "%{x:.3f} s long<extra></extra>",
                "xaxis": "x",
                "yaxis": axis,
            }
        )
    return traces


def _pattern(shape: str) -> Figure:
    return {
        "shape": shape,
        # Over the colour, not instead of it.
        "fillmode": "overlay",
        "fgcolor": "@onbar",
        "fgopacity": 0.45,
        "size": 8,
    }


def _ticks(ticks: Sequence[lanes.Tick], axis: str) -> list[Figure]:
    looks = {
        "advert": ("line-ns-open", "@ink", 12),
        "gratuitous ARP": ("triangle-up", "@two", 9),
        "event": ("diamond-open", "@late", 8),
    }
    traces = []
    for kind, (symbol, colour, size) in looks.items():
        mine = [t for t in ticks if t.kind == kind]
        if mine:
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": kind,
                    "x": [round(t.t, 4) for t in mine],
                    "y": [t.node for t in mine],
                    "text": [t.text for t in mine],
                    "marker": {"symbol": symbol, "color": colour, "size": size},
                    "hovertemplate": f"%{{x:.3f}} s, %{{y}}: {kind} %{{text}}<extra></extra>"
                    if kind != "event"
                    else "%{x:.3f} s, %{y}: %{text}<extra></extra>",
                    "xaxis": "x",
                    "yaxis": axis,
                }
            )
    return traces


def _shades(seen: Seen) -> tuple[list[Figure], list[Figure]]:
    """Return faults as bands over all lanes, outages over the latencies, and their names."""
    shapes: list[Figure] = []
    notes: list[Figure] = []
    until = seen.recording.recorded_until
    for number, fault in enumerate(seen.faults):
        result = fault.result
        start, end = result.fault_t - seen.begin, (result.heal_t or until) - seen.begin
        shapes.append(_band(start, end, "@fault", "paper"))
        shapes.append(line(start, "solid"))
        name = f"{fault.run.fault} in {fault.run.node}"
        notes.append(note(start, 1.0, name, "@ink", "top", "left", -16 * number))
        if result.heal_t is not None:
            shapes.append(line(end, "dash"))
            notes.append(note(end, 1.0, "healed", "@ink", "top", "left", -16 * number))
        for reading in result.readings:
            for found in (*reading.there, *reading.back):
                last = found.end if found.end is not None else until
                first = found.start if found.start is not None else seen.recording.recorded_from
                shapes.append(_band(first - seen.begin, last - seen.begin, "@outage", "y domain"))
    return shapes, notes


def _band(start: float, end: float, colour: str, yref: str) -> Figure:
    return {
        "type": "rect",
        "xref": "x",
        "yref": yref,
        "x0": round(start, 4),
        "x1": round(end, 4),
        "y0": 0,
        "y1": 1,
        "fillcolor": colour,
        "line": {"width": 0},
        "layer": "below",
    }


def line(x: float, dash: str) -> Figure:
    """Return a line across all lanes at a moment (or a value)."""
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": round(x, 4),
        "x1": round(x, 4),
        "y0": 0,
        "y1": 1,
        "line": {"color": "@ink", "width": 1, "dash": dash},
    }


def note(
    x: float,
    y: float,
    text: str,
    colour: str,
    yanchor: str,
    xanchor: str = "center",
    shift: int = 0,
) -> Figure:
    """Return a word at a moment (or a value); ``y`` is a share of the plot's height."""
    return {
        "x": round(x, 4),
        "y": y,
        "xref": "x",
        "yref": "paper",
        "text": text,
        "showarrow": False,
        "xanchor": xanchor,
        "yanchor": yanchor,
        "yshift": shift,
        "font": {"color": colour, "size": 12},
    }


def _title(text: str, top: float) -> Figure:
    return {
        "x": 0,
        "y": top,
        "xref": "paper",
        "yref": "paper",
        "text": f"<b>{text}</b>",
        "showarrow": False,
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 3,
        "font": {"size": 13},
    }


def _domains(heights: Sequence[int]) -> tuple[list[tuple[float, float]], int]:
    """Return the share of the plot's height that each lane has, from the top."""
    total = sum(heights) + _GAP * (len(heights) - 1)
    found, top = [], total
    for height in heights:
        found.append(((top - height) / total, top / total))
        top -= height + _GAP
    return [(max(0.0, low), high) for low, high in found], total


def _padded(start: float, end: float) -> tuple[float, float]:
    pad = 0.01 * (end - start)
    return round(start - pad, 3), round(end + pad, 3)


def _axis(number: int) -> str:
    return "yaxis" if number == 1 else f"yaxis{number}"
