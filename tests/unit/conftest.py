"""How hard hypothesis tries: 20 examples a property, or as ``LVSLAB_HYPOTHESIS`` says.

``thorough`` are 500; with ``none`` these tests are left out, for a quick look.
"""

from __future__ import annotations

import gc
import os

import pytest
from hypothesis import is_hypothesis_test, settings

# Examples are made on shared cores: how long one takes proves nothing.
settings.register_profile("quick", max_examples=20, deadline=None)
settings.register_profile("thorough", max_examples=500, deadline=None)
_TRIES = os.environ.get("LVSLAB_HYPOTHESIS", "quick")
settings.load_profile("quick" if _TRIES == "none" else _TRIES)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the properties out where that is asked for."""
    if _TRIES != "none":
        return
    left = [i for i in items if is_hypothesis_test(getattr(i, "obj", None))]
    config.hook.pytest_deselected(items=left)
    items[:] = [i for i in items if i not in set(left)]


def pytest_collection_finish() -> None:
    """Let the collector leave alone what was made so far: modules and tests stay to the end."""
    gc.freeze()
    gc.set_threshold(1_000_000)
