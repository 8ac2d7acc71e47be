"""How hard hypothesis tries: 50 examples a property, or ``LVSLAB_HYPOTHESIS=thorough``."""

from __future__ import annotations

import os

from hypothesis import settings

# Examples are made on shared cores: how long one takes proves nothing.
settings.register_profile("quick", max_examples=50, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("LVSLAB_HYPOTHESIS", "quick"))
