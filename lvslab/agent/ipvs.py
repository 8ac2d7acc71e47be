"""The kernel's IPVS table as /proc/net/ip_vs shows it (net/netfilter/ipvs/ip_vs_ctl.c,
ip_vs_info_seq_show): addresses and ports in hexadecimal. Its "Flags" are only ``ops`` and
``persistent``; a scheduler's own flags (sh-port) are not shown there.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

TABLE = "/proc/net/ip_vs"


def _endpoint(text: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    if address.startswith("["):
        return address.strip("[]"), int(port, 16)
    number = int(address, 16)
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0)), int(port, 16)


def _service(words: list[str]) -> dict[str, Any]:
    service: dict[str, Any] = {"vip": None, "port": 0, "protocol": words[0]}
    if words[0] == "FWM":
        service["fwmark"] = int(words[1], 16)
    else:
        service["vip"], service["port"] = _endpoint(words[1])
    service["scheduler"] = words[2]
    service["flags"] = [word for word in words[3:] if word == "ops"]
    service["persistence"] = None
    if "persistent" in words:
        service["persistence"] = int(words[words.index("persistent") + 1])
    service["servers"] = []
    return service


def parse(text: str) -> list[dict[str, Any]]:
    """Return the virtual servers with their real servers, in the table's order."""
    table: list[dict[str, Any]] = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0] in ("IP", "Prot"):
            continue
        if words[0] == "->":
            if words[1].startswith("RemoteAddress") or not table:
                continue
            address, port = _endpoint(words[1])
            table[-1]["servers"].append(
                {"address": address, "port": port, "forward": words[2]}
                | dict(zip(("weight", "active", "inactive"), map(int, words[3:6]), strict=True))
            )
        else:
            table.append(_service(words))
    return table


def read() -> list[dict[str, Any]]:
    """Return this node's table; empty where the kernel has no ip_vs."""
    try:
        with open(TABLE, encoding="ascii") as file:
            return parse(file.read())
    except FileNotFoundError:
        return []
