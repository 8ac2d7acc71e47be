"""A Docker API with ip_vs behind it: the user's own, or the embedded one (see select.py)."""
