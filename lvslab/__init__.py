"""lvslab: a lab for LVS-DR with keepalived that makes it fail and measures what is seen.

``from lvslab import Lab, Topology, Scenario`` is for programs and tests (docs/python.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lvslab.api import (
        Answers,
        Between,
        Lab,
        LvslabError,
        Measured,
        NotMeasuredError,
        Output,
        Played,
        Scenario,
        Topology,
    )

__version__ = "0.1.0"

__all__ = [
    "Answers",
    "Between",
    "Lab",
    "LvslabError",
    "Measured",
    "NotMeasuredError",
    "Output",
    "Played",
    "Scenario",
    "Topology",
    "__version__",
]


def __getattr__(name: str) -> object:
    # Imported when asked for: the command line and completion import this package, too.
    if name in __all__:
        from lvslab import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
