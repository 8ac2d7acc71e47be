"""A topology as files for real machines, or for another engine: written, and nothing run."""

from lvslab.export.model import ExportedFile
from lvslab.export.whole import export

__all__ = ["ExportedFile", "export"]
