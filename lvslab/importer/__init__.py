"""Real keepalived.conf files -> a topology, and what became of every line of them. Pure."""

from lvslab.importer.model import Entry, Fate, Imported, ImportProblem, Source
from lvslab.importer.whole import import_confs

__all__ = ["Entry", "Fate", "ImportProblem", "Imported", "Source", "import_confs"]
