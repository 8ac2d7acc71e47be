"""LVS060 to LVS079: scripts and mail."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path

from lvslab.conf.commands import SCRIPTS, Command, command_of, joined
from lvslab.conf.tree import Node as Tree
from lvslab.lint.edits import drop
from lvslab.lint.model import Hit, Node
from lvslab.lint.registry import ERROR, WARNING, rule
from lvslab.topology.problems import shown


def _scripts(node: Node) -> Iterator[tuple[Tree, Command]]:
    """Yield each line that names a script, and what it runs."""
    for line in node.view.root.walk():
        if line.keyword in SCRIPTS and (command := command_of(line)).program:
            yield line, command


@rule(
    "LVS060",
    WARNING,
    "scripts",
    "Scripts without enable_script_security",
    why="Without it keepalived runs a script as root even if others than root may change it, or a "
    "folder above it: whoever can, is root on the director.",
    fix="Write enable_script_security in global_defs, and script_user.",
    source="keepalived.conf(5), 'enable_script_security'; seen with 2.2.7: 'SECURITY VIOLATION - "
    "scripts are being executed but script_security not enabled'",
    good="global_defs {\n    script_user root\n    enable_script_security\n}",
)
def no_script_security(node: Node) -> Iterator[Hit]:
    """Once a file, at the first script."""
    if node.view.setting("enable_script_security") is None:
        # Also one that keepalived cannot read: it is meant to be run.
        lines = (n for n in node.view.root.walk() if n.keyword in SCRIPTS and n.arg().strip())
        for line in lines:
            yield Hit(line.at, "scripts are run, and enable_script_security is not written")
            break


@rule(
    "LVS061",
    ERROR,
    "scripts",
    "A script that is not there, or cannot be run",
    why="keepalived disables it and goes on; a notify script that is missing is not even noticed "
    "by keepalived -t.",
    fix="Correct the path, or install the script with mode 0755.",
    source="seen with keepalived 2.2.7: -t is silent about a missing notify script",
)
def script_missing(node: Node) -> Iterator[Hit]:
    """Only with --root: the file system of the director is rarely that of who lints."""
    if node.root is None:
        return
    for line, command in _scripts(node):
        program = command.program
        if not program.startswith("/"):
            continue
        path = node.root / program.lstrip("/")
        if not path.is_file():
            yield Hit(line.arg_at(), f"{shown(program)} is not below {node.root}")
        elif not path.stat().st_mode & 0o111:
            yield Hit(line.arg_at(), f"{shown(program)} is not executable", f"chmod 755 {program}")


@rule(
    "LVS062",
    ERROR,
    "scripts",
    "A script that others may change",
    why="keepalived runs it as root (or as script_user). With enable_script_security it is "
    "disabled, without a word to those who count on it.",
    fix="chown root: FILE; chmod go-w FILE, and every folder above it.",
    source="check_script_secure() in keepalived's lib/notify.c",
)
def script_writable(node: Node) -> Iterator[Hit]:
    """Only with --root."""
    if node.root is None:
        return
    for line, command in _scripts(node):
        program = command.program
        if program.startswith("/") and (found := _writable(node.root, program)):
            yield Hit(line.arg_at(), f"{found} may be changed by others than its owner")


def _writable(root: Path, program: str) -> str:
    path = root
    for part in Path(program).parts[1:]:
        path = path / part
        if not path.exists():
            return ""
        mode = path.stat().st_mode
        if mode & 0o022 and not mode & stat.S_ISVTX:
            return "/" + str(path.relative_to(root))
    return ""


@rule(
    "LVS063",
    ERROR,
    "scripts",
    "Arguments of a script without quotes",
    why="Words after the script are the user and the group to run it as. keepalived then disables "
    "the script, because there is no such user.",
    fix="Quote the script with its arguments.",
    source="keepalived.conf(5), 'notify_master' and 'Quoted strings'",
    bad="notify_master /usr/local/bin/notify.sh master",
    good='notify_master "/usr/local/bin/notify.sh master"',
)
def unquoted_arguments(node: Node) -> Iterator[Hit]:
    """More than user and group, or no name of a user."""
    for line, command in _scripts(node):
        extra, at = command.more, command.more_at
        if line.keyword in ("script", "misc_path"):
            wrong = bool(extra)
        else:
            wrong = len(extra) > 2 or any(not re.fullmatch(r"[a-z_][a-z0-9_-]*", n) for n in extra)
            wrong = wrong or any(n in _STATES for n in extra)
        if wrong and at is not None:
            text = joined([*command.argv, *extra])
            write = "" if text is None else f'"{text}"'
            yield Hit(at, "this is taken for a user, not an argument", write)


_STATES = frozenset(["master", "backup", "fault", "stop", "up", "down"])


@rule(
    "LVS064",
    WARNING,
    "scripts",
    "A script whose path is relative",
    why="keepalived looks for it in its PATH, which is that of the service manager, not yours; "
    "and keepalived -t is run elsewhere than the daemon.",
    fix="Write the full path.",
    source="find_path() in keepalived's lib/notify.c",
    bad='script "check.sh"',
)
def relative_script(node: Node) -> Iterator[Hit]:
    """No slash in front. killall and the like are found in any PATH."""
    for line, command in _scripts(node):
        program = command.program
        if program[0] not in "/<$" and ("/" in program or "." in program):
            yield Hit(line.arg_at(), f"{shown(program)} is looked for in keepalived's PATH")


_SAMPLES = frozenset({"192.168.200.1", "smtp.example.com", "mail.example.com"})
_SAMPLE_MAIL = re.compile(r"@(?:firewall\.loc|example\d?\.(?:com|org|net)|domain\.com)$", re.I)


@rule(
    "LVS070",
    WARNING,
    "scripts",
    "Mail to the server of the sample file",
    why="smtp_alert is on for real servers by default once mail is configured: with each change "
    "keepalived tries for smtp_connect_timeout to reach a host that is not yours.",
    fix="Write your own server, or remove smtp_server and notification_email.",
    source="keepalived.conf.sample, which has 192.168.200.1; keepalived.conf(5), real_server's "
    "smtp_alert: 'default yes'",
    bad="smtp_server 192.168.200.1",
)
def sample_smtp_server(node: Node) -> Iterator[Hit]:
    """Hosts of samples."""
    line = node.view.setting("smtp_server")
    if line is None:
        return
    host = line.arg()
    if host in _SAMPLES or re.search(r"(^|\.)example\.(com|org|net)$", host):
        yield Hit(line.arg_at(), f"{shown(host)} is the example's mail server, not yours")


@rule(
    "LVS071",
    WARNING,
    "scripts",
    "Mail to an address of the sample file",
    why="Nobody gets it.",
    fix="Write your own address, or remove it.",
    source="keepalived.conf.sample; RFC 2606 (example.com)",
    bad="notification_email {\n    acassen@firewall.loc\n}",
)
def sample_address(node: Node) -> Iterator[Hit]:
    """Once a block, at the first."""
    for block in node.view.globals:
        for emails in block.all("notification_email"):
            found = [c for c in emails.children if _SAMPLE_MAIL.search(c.keyword)]
            if found:
                more = f", and {len(found) - 1} more" if len(found) > 1 else ""
                yield Hit(found[0].at, f"{shown(found[0].keyword)} is an example's{more}")


@rule(
    "LVS072",
    WARNING,
    "scripts",
    "smtp_alert without a mail server or an address",
    why="keepalived has nobody to tell, or no way to.",
    fix="Write smtp_server and notification_email in global_defs, or remove smtp_alert.",
    source="keepalived.conf(5), 'smtp_alert'",
)
def alert_without_mail(node: Node) -> Iterator[Hit]:
    """The first smtp_alert that is on."""
    if node.view.setting("smtp_server") and node.view.setting("notification_email"):
        return
    for line in node.view.root.walk():
        if line.keyword == "smtp_alert" and line.arg() not in ("false", "off", "no"):
            yield Hit(line.at, "mail is wanted, but smtp_server or notification_email is missing")
            break


@rule(
    "LVS073",
    ERROR,
    "scripts",
    "A script user that does nothing",
    why="script_user takes effect for scripts without a user of their own; 'script_user' without "
    "a name is refused.",
    fix="Write script_user NAME [GROUP].",
    source="script_user_handler() in keepalived's global_parser.c",
    bad="script_user",
)
def script_user_alone(node: Node) -> Iterator[Hit]:
    """Without a name."""
    line = node.view.setting("script_user")
    if line is not None and not line.args:
        yield Hit(line.at, "script_user names nobody", edits=drop(node, line))
