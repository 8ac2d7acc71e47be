"""lvslab: a lab for Linux Virtual Server (direct routing) with keepalived that measures failover."""

__version__ = "0.1.0"
