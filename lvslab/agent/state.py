"""What a fault must leave as it was: recorded before, compared and put back after.

Kept as the kernel's own messages beside their text, so that what is lost is put back exactly
(as ``ip route save``/``restore`` does). Not part of it, because the kernel makes it anew or
changes it by itself: counters and timers, IPv6 link-local addresses, IPv6 routes of the
kernel or of router advertisements, neighbours that are not permanent.
"""

from __future__ import annotations

import os
import socket
import struct

from . import files, rtnl
from .services import command_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .services import Supervisor

#: What is recorded as messages, in the order in which it is put back.
TABLES = ("addresses", "routes", "rules", "neighbours")
_NEW = {
    "addresses": rtnl.NEW_ADDR,
    "routes": rtnl.NEW_ROUTE,
    "rules": rtnl.NEW_RULE,
    "neighbours": rtnl.NEW_NEIGH,
}
_SCOPE_LINK = 253
_KERNEL, _RA, _KEEPALIVED = 2, 9, 18
_CLONED = 0x200
_ONLINK = 0x4
_PROC_SYS = "/proc/sys/"
#: What a fault may write in: compared by content.
_FILES = ("/etc/keepalived", "/etc/lvslab")
_SYSCTL_FOLDERS = ("net/ipv4/vs", "net/ipv4/conf")
_SYSCTLS = ("net/ipv4/ip_forward", "net/ipv4/ip_nonlocal_bind")


def sysctl_path(key: str) -> str:
    """Return the file of ``net.ipv4.ip_forward`` or ``net/ipv4/conf/eth0.5/arp_ignore``.

    Raises ValueError for a key that leads elsewhere.
    """
    path = key if "/" in key else key.replace(".", "/")
    if not path or path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"not a sysctl: {key!r}")
    return _PROC_SYS + path


def sysctls(words: tuple[str, ...] = ("",)) -> dict[str, str]:
    """Return the settings of this node's IPv4 and IPVS, keyed as paths below /proc/sys.

    Only those with one of the ``words`` in their key.
    """
    keys = list(_SYSCTLS)
    for folder in _SYSCTL_FOLDERS:
        for root, _, names in os.walk(_PROC_SYS + folder):
            keys.extend(os.path.join(root, name)[len(_PROC_SYS) :] for name in names)
    found = {}
    for key in sorted(key for key in keys if any(word in key for word in words)):
        try:
            with open(_PROC_SYS + key, encoding="ascii") as file:
                found[key] = file.read().strip()
        except OSError:
            continue  # write-only (route/flush), or not this namespace's to read
    return found


def _address(payload: bytes, names: dict[int, str]) -> str | None:
    family, prefix, _, scope, index = rtnl.ADDR.unpack_from(payload)
    attrs = rtnl.attributes(payload, rtnl.ADDR.size)
    if family == socket.AF_INET6 and scope == _SCOPE_LINK:
        return None
    ip = rtnl.address(attrs.get(rtnl.IFA_LOCAL) or attrs[rtnl.IFA_ADDRESS])
    return f"{ip}/{prefix} dev {names.get(index, index)} scope {scope}"


def _route(payload: bytes, names: dict[int, str]) -> str | None:
    family, length, _, tos, table, protocol, scope, kind, flags = rtnl.ROUTE.unpack_from(payload)
    attrs = rtnl.attributes(payload, rtnl.ROUTE.size)
    if flags & _CLONED or (family == socket.AF_INET6 and protocol in (_KERNEL, _RA)):
        return None
    if family not in (socket.AF_INET, socket.AF_INET6):
        return None
    target = f"{rtnl.address(attrs[rtnl.RTA_DST])}/{length}" if rtnl.RTA_DST in attrs else "default"
    if rtnl.RTA_TABLE in attrs:
        table = rtnl.number(attrs[rtnl.RTA_TABLE])
    words = [target if family == socket.AF_INET or rtnl.RTA_DST in attrs else "default6"]
    for kind_of, word, say in (
        (rtnl.RTA_GATEWAY, "via", rtnl.address),
        (rtnl.RTA_OIF, "dev", lambda v: names.get(rtnl.number(v), str(rtnl.number(v)))),
        (rtnl.RTA_PREFSRC, "src", rtnl.address),
        (rtnl.RTA_PRIORITY, "metric", lambda v: str(rtnl.number(v))),
    ):
        if kind_of in attrs:
            words += [word, say(attrs[kind_of])]
    words.append(f"table {table} type {kind} scope {scope} proto {protocol} tos {tos}")
    said = {1, 4, 5, 6, 7, rtnl.RTA_CACHEINFO, rtnl.RTA_TABLE}
    words += [f"attr{key}={attrs[key].hex()}" for key in sorted(attrs.keys() - said)]
    return " ".join(words)


def _rule(payload: bytes, names: dict[int, str]) -> str | None:
    del names
    family, dst, src, tos, table, _, _, action, flags = rtnl.ROUTE.unpack_from(payload)
    attrs = rtnl.attributes(payload, rtnl.ROUTE.size)
    rest = " ".join(f"attr{key}={attrs[key].hex()}" for key in sorted(attrs))
    return f"family {family} {src}->{dst} tos {tos} table {table} do {action}/{flags} {rest}"


def _neighbour(payload: bytes, names: dict[int, str]) -> str | None:
    _, index, state, _, _ = rtnl.NEIGH.unpack_from(payload)
    attrs = rtnl.attributes(payload, rtnl.NEIGH.size)
    if not state & rtnl.NUD_PERMANENT or rtnl.NDA_DST not in attrs:
        return None
    raw = attrs[rtnl.NDA_DST]
    if len(raw) not in (4, 16):
        return None
    lladdr = rtnl.mac(attrs.get(rtnl.NDA_LLADDR, b""))
    return f"{rtnl.address(raw)} lladdr {lladdr} dev {names.get(index, index)}"


def _qdiscs(names: dict[int, str]) -> list[str]:
    said = []
    for payload in rtnl.dump(rtnl.GET_QDISC):
        _, index, handle, parent, _ = rtnl.QDISC.unpack_from(payload)
        attrs = rtnl.attributes(payload, rtnl.QDISC.size)
        kind, options = rtnl.name(attrs.get(1, b"")), attrs.get(2, b"").hex()
        said.append(f"{kind} {handle:x} dev {names.get(index, index)} parent {parent:x} {options}")
    return sorted(said)


def _files() -> dict[str, str | None]:
    found = {}
    for folder in _FILES:
        for root, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(root, name)
                found[path] = files.read(path)
    return found


def _stopped() -> list[str]:
    """Return the names of the processes that a signal has stopped (state T)."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:
                    name, _, rest = file.read().partition(b"(")[2].rpartition(b")")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if rest.split()[0] == b"T":
                found.append(name.decode(errors="replace"))
    return sorted(found)


def take(supervisor: Supervisor) -> dict[str, Any]:
    """Record the node's state: JSON-able; the TABLES as {text: message in hexadecimal}."""
    links = rtnl.links()
    names = {index: link[0] for index, link in links.items()}
    recorded: dict[str, Any] = {
        "links": {
            name: {
                "up": bool(flags & rtnl.IFF_UP),
                "running": bool(flags & rtnl.IFF_RUNNING),
                "mac": mac,
                "mtu": mtu,
            }
            for name, flags, mac, mtu in links.values()
        },
        "qdiscs": _qdiscs(names),
        "sysctls": sysctls(),
        "processes": {
            name: command_line(service.pid) if service.pid else None
            for name, service in supervisor.services.items()
        },
        "stopped": _stopped(),
        "nftables": rtnl.nft_tables(),
        "files": _files(),
    }
    for table, kind, say in (
        ("addresses", rtnl.GET_ADDR, _address),
        ("routes", rtnl.GET_ROUTE, _route),
        ("rules", rtnl.GET_RULE, _rule),
        ("neighbours", rtnl.GET_NEIGH, _neighbour),
    ):
        found = {}
        for payload in rtnl.dump(kind):
            text = say(payload, names)
            if text is not None:
                found[text] = payload.hex()
        recorded[table] = dict(sorted(found.items()))
    return recorded


def visible(recorded: dict[str, Any]) -> dict[str, Any]:
    """Return the recorded state as the ``state`` command shows it: without the messages."""
    return {key: list(value) if key in TABLES else value for key, value in recorded.items()}


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Say in words what differs between two recorded states; empty where nothing does."""
    said = []
    for key in before:
        old, new = before[key], after[key]
        if isinstance(old, list) or key in TABLES:
            said += [f"{key}: gone: {text}" for text in old if text not in new]
            said += [f"{key}: new: {text}" for text in new if text not in old]
        else:
            said += [
                f"{key}: {name}: {old.get(name)} is now {new.get(name)}"
                for name in sorted(old.keys() | new.keys())
                if old.get(name) != new.get(name)
            ]
    return said


def _keepaliveds(table: str, payload: bytes, vips: frozenset[str]) -> bool:
    """Return whether keepalived (or the kernel) owns this, so that nobody else may add it."""
    if table == "addresses":
        attrs = rtnl.attributes(payload, rtnl.ADDR.size)
        return rtnl.address(attrs.get(rtnl.IFA_LOCAL) or attrs[rtnl.IFA_ADDRESS]) in vips
    if table == "routes":
        attrs = rtnl.attributes(payload, rtnl.ROUTE.size)
        source = attrs.get(rtnl.RTA_PREFSRC)
        return rtnl.ROUTE.unpack_from(payload)[5] in (_KERNEL, _KEEPALIVED) or (
            source is not None and rtnl.address(source) in vips
        )
    return False


def _resend(table: str, payload: bytes) -> None:
    if table == "routes":
        # A dump says DEAD and LINKDOWN; fib_create_info() refuses them in a request.
        (flags,) = struct.unpack_from("=I", payload, 8)
        payload = payload[:8] + struct.pack("=I", flags & _ONLINK) + payload[12:]
    rtnl.put(_NEW[table], payload)


def _via_gateway(item: tuple[str, str]) -> bool:
    return " via " in item[0]


def restore(
    recorded: dict[str, Any], supervisor: Supervisor, vips: frozenset[str], device: str | None
) -> list[str]:
    """Put back what is lost; return what could not be put back, in words.

    ``vips`` are left to keepalived (empty on a node that is no director). With ``device``,
    only the addresses, routes and neighbours of that interface.
    """
    failed: list[str] = []
    current = take(supervisor)
    for table in TABLES:
        # A gateway must be reachable on-link before a route through it is accepted.
        for text, raw in sorted(recorded[table].items(), key=_via_gateway):
            payload = bytes.fromhex(raw)
            if text in current[table] or _keepaliveds(table, payload, vips):
                continue
            if device is not None and f" dev {device} " not in f"{text} ":
                continue
            try:
                _resend(table, payload)
            except OSError as error:
                failed.append(f"{table}: {text}: {error.strerror}")
    for key, value in recorded["sysctls"].items() if device is None else ():
        if current["sysctls"].get(key) == value:
            continue
        try:
            with open(_PROC_SYS + key, "w", encoding="ascii") as file:
                file.write(value)
        except OSError as error:
            failed.append(f"sysctl: {key} = {value}: {error.strerror}")
    return failed
