"""keepalived.conf: read as keepalived reads it, kept byte for byte, understood. Reads files only.

``lexer`` (lines, exact) -> ``preprocess`` (includes, definitions, conditions) -> ``tree`` (blocks)
-> ``view`` (instances, virtual servers, checks with their defaults).
"""

from lvslab.conf.config import Config, load, load_all, load_text
from lvslab.conf.errors import ConfError

__all__ = ["ConfError", "Config", "load", "load_all", "load_text"]
