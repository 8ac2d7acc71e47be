"""How hard hypothesis tries: 20 examples a property, or ``LVSLAB_HYPOTHESIS=thorough``."""

from __future__ import annotations

import gc
import os

from hypothesis import settings

# Examples are made on shared cores: how long one takes proves nothing.
settings.register_profile("quick", max_examples=20, deadline=None)
settings.register_profile("thorough", max_examples=500, deadline=None)
settings.load_profile(os.environ.get("LVSLAB_HYPOTHESIS", "quick"))


def pytest_collection_finish() -> None:
    """Let the collector leave alone what was made so far: modules and tests stay to the end."""
    gc.freeze()
    gc.set_threshold(50_000)
