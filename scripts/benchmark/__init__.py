"""The parts of ``make bench``: what is measured (phases), with what, and how it is shown."""
