"""Proofs from packets: captures on several nodes at once (``capture``), judged by pure code."""
