"""How the lines of a report look on a terminal: colours, and long ones wrapped under their text.

The words are those of :mod:`lvslab.report.terminal`; nothing is added to them or taken away.
"""

from __future__ import annotations

import re
import textwrap

from rich.highlighter import RegexHighlighter
from rich.text import Text
from rich.theme import Theme

THEME = Theme(
    {
        "report.time": "cyan",
        "report.bad": "bold red",
        "report.good": "bold green",
        "report.unsure": "bold yellow",
        "report.figure": "bold",
        "report.label": "dim",
    }
)
#: The label or the time and node in front of a line's text end within so many columns.
_FRONT = re.compile(r".{0,22}\s{2,}(?=\S)")


class _Report(RegexHighlighter):
    base_style = "report."
    highlights = (
        r"^\s*(?P<time>[+-]\d+\.\d{3} s)(?=  )",
        r"(?P<bad>FAULT \S+|FAULT$|last good request|OUTSIDE)",
        r"(?P<good>HEALED [\w-]+|first good request|\bMASTER$|(?<=verdict      )within)",
        r"(?P<unsure>INCONCLUSIVE|two holders)",
        r"^  (?P<label>[a-zV][A-Za-z ]{3,11}[a-z])(?=  )",
        r"(?P<figure>\d+\.\d{3} s ± \d+\.\d{3} s)",
    )


_REPORT = _Report()


def report_line(line: str, width: int | None) -> Text:
    """Return a line of a report in colours, wrapped at ``width`` columns if one is given."""
    if width is not None and len(line) > width:
        front = _FRONT.match(line)
        line = "\n".join(
            textwrap.wrap(line, width, subsequent_indent=" " * (front.end() if front else 0))
        )
    text = Text(line)
    _REPORT.highlight(text)
    return text
