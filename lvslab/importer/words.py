"""The same thing in one form, whoever wrote it: keepalived has two names for some, and defaults."""

from __future__ import annotations

from ipaddress import ip_interface

from lvslab.conf import commands
from lvslab.conf.tree import Node
from lvslab.plan.render import INTERFACE
from lvslab.topology.spec import ASKING

Path = tuple[tuple[str, ...], ...]

#: Other names of a keyword (check_parser.c, vrrp_parser.c).
_ALIASES = {
    "lvs_sched": "lb_algo",
    "lvs_method": "lb_kind",
    "nb_get_retry": "retry",
}
#: Blocks of which each line is a value by itself.
_ADDRESSES = frozenset({"virtual_ipaddress", "virtual_ipaddress_excluded"})
#: A second reader of the lab's own FIFOs, or a second writer, would take the agent's events.
FIFOS = frozenset(
    f"{of}notify_fifo{what}" for of in ("", "vrrp_", "lvs_") for what in ("", "_script")
)
#: Scripts and mail are of the machine, not of the configuration under test.
SCRIPTS = commands.SCRIPTS - FIFOS
MAIL = frozenset(
    {
        "notification_email",
        "notification_email_from",
        "smtp_server",
        "smtp_connect_timeout",
        "smtp_helo_name",
        "smtp_alert",
        "smtp_alert_vrrp",
        "smtp_alert_checker",
        "no_email_faults",
        "no_checker_emails",
    }
)
#: What a script is replaced by, in the lab: it is there on every node and says yes.
#: Not /bin/true: /bin is a link, and keepalived calls a script behind one insecure.
STUB = "/usr/bin/true"


def canonical(node: Node) -> tuple[tuple[str, ...], bool]:
    """Return a directive's words in one form, and whether it is another than theirs."""
    parent = node.parent.keyword if node.parent else ""
    words = [w.value for w in node.words]
    if parent in _ADDRESSES:
        return _address(words)
    keyword = _ALIASES.get(words[0], words[0]) if words else ""
    if keyword == "retry" and words[0] != "retry" and parent not in ASKING:
        # keepalived has this name in HTTP_GET and SSL_GET alone, and reads past it elsewhere.
        keyword = words[0]
    if keyword in SCRIPTS and len(words) > 1 and words[1] != STUB:
        return (keyword, STUB), True
    return (keyword, *words[1:]), bool(words) and keyword != words[0]


def _address(words: list[str]) -> tuple[tuple[str, ...], bool]:
    """Return a line of virtual_ipaddress: a /32 with its interface, as the lab writes it."""
    try:
        ip = ip_interface(words[0]).ip
    except ValueError:
        return tuple(words), False
    label = words[words.index("label") + 1] if "label" in words[:-1] else None
    # With NAT one of them, the gateway, is not on the interface of the others.
    on = words[words.index("dev") + 1] if "dev" in words[:-1] else INTERFACE
    made = (f"{ip}/32", "dev", on, *(("label", label) if label else ()))
    return made, list(made) != words


def path_of(node: Node) -> Path:
    """Return where a directive stands: the blocks it is in and its own words, in one form."""
    found = []
    here: Node | None = node
    while here is not None and here.words:
        found.append(canonical(here)[0])
        here = here.parent
    return tuple(reversed(found))
