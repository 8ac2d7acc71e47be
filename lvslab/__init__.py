"""lvslab: a lab for LVS-DR with keepalived that makes it fail and measures what is seen."""

__version__ = "0.1.0"
