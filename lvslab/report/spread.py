"""The plot of one figure over all runs, as plotly.js reads it (see figures.py)."""

from __future__ import annotations

from lvslab.report.figures import Figure, line, note
from lvslab.report.grouping import Distribution


def distribution(of: Distribution) -> Figure:
    """Return one figure over all runs: every run a dot, the bound's range drawn in."""
    low, high = of.low if of.low is not None and of.low > 0 else 0.0, of.high
    groups = [("pass", "kept", "circle", "@ok"), ("fail", "not kept", "x", "@failed")]
    groups.append(("inconclusive", "cannot tell", "diamond", "@late"))
    data: list[Figure] = []
    for outcome, name, symbol, colour in groups:
        dots = [d for d in of.dots if d.outcome == outcome]
        if dots:
            data.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": name,
                    "x": [round(d.measured, 4) for d in dots],
                    # Side by side by their index, so that equal ones do not hide each other.
                    "y": [(d.index % 9 - 4) / 10 if len(of.dots) > 1 else 0 for d in dots],
                    "customdata": [d.index + 1 for d in dots],
                    "marker": {"symbol": symbol, "color": colour, "size": 9, "opacity": 0.85},
                    "hovertemplate": f"run %{{customdata}}: %{{x}} {of.unit}<extra>{name}</extra>",
                }
            )
    marks = [("p50", of.p50, "dot"), ("p95", of.p95, "dash"), ("max", of.max, "solid")]
    shapes = [_range(low, high, "solid")]
    if of.allowance:
        # What is still granted beyond the bound: dotted.
        granted = (max(0.0, low - of.allowance) if low > 0 else 0.0, high + of.allowance)
        shapes.insert(0, _range(*granted, "dot"))
    annotations: list[Figure] = [
        note(high if low == 0 else (low + high) / 2, 0.0, "bound", "@ink", "top")
    ]
    annotations[0]["yshift"] = 16
    if len(of.dots) > 1:
        for step, (name, value, dash) in enumerate(marks):
            shapes.append(line(value, dash))
            annotations.append(note(value, 1.0 + 0.13 * step, name, "@ink", "bottom"))
    edge = max(of.max, *(s["x1"] for s in shapes))
    start = min(of.min, *(s["x0"] for s in shapes))
    pad = max(0.08 * (edge - start), 0.05)
    return {
        "data": data,
        "layout": {
            "height": 210 if len(of.dots) > 1 else 150,
            "margin": {"l": 12, "r": 12, "t": 58 if len(of.dots) > 1 else 8, "b": 44},
            "hovermode": "closest",
            "showlegend": len(data) > 1,
            "legend": {"orientation": "h", "y": -0.4},
            "xaxis": {
                "title": {"text": "seconds" if of.unit == "s" else of.unit},
                "range": [start - pad, edge + pad],
            },
            "yaxis": {"visible": False, "range": [-0.7, 0.7], "fixedrange": True},
            "shapes": shapes,
            "annotations": annotations,
        },
    }


def _range(low: float, high: float, dash: str) -> Figure:
    return {
        "type": "rect",
        "yref": "paper",
        "x0": round(low, 4),
        "x1": round(high, 4),
        "y0": 0,
        "y1": 1,
        "fillcolor": "@bound",
        "line": {"color": "@master", "width": 1, "dash": dash},
        "layer": "below",
    }
