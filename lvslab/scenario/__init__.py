"""Scenarios: faults on a schedule, what is expected of them, and what came of it."""
