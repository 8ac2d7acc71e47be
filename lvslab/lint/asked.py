"""What keepalived's own test says of the files, at the lines that lint speaks of.

Pure: the question is a shell script and an archive for a container; the answer is its output.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from lvslab.conf.config import Config
from lvslab.conf.errors import Position
from lvslab.conf.tree import Node as ConfNode
from lvslab.lint.model import Finding, Hit, Node
from lvslab.lint.registry import get
from lvslab.lint.run import MAX_HITS, Result

#: Makes the interfaces that the files name, and asks: INTERFACES ADDRESS@INTERFACE... FILE [ID].
#: Without a carrier, an address, or the interface itself keepalived would complain of that.
SCRIPT = r"""
n=0
for i in $1; do
    n=$((n + 1))
    ip link add "$i" type veth peer name "lvslab$n"
    ip link set "$i" up
    ip link set "lvslab$n" up
    ip addr add "169.254.$n.1/24" dev "$i"
done 2>/dev/null
for a in $2; do ip addr add "${a%@*}" dev "${a#*@}"; done 2>/dev/null
keepalived -v 2>&1 | head -n 1
keepalived -t ${4:+-i "$4"} -f "$3" 2>&1
echo "-- $?"
"""
#: A container is given no more interfaces than this.
MAX_INTERFACES = 64
#: As the kernel's dev_valid_name() and IFNAMSIZ have it.
_INTERFACE = re.compile(r"[^\s/:]{1,15}")
_AT = re.compile(r"^\((?:(?P<file>.+): )?Line (?P<line>\d+)\) (?P<text>.*)$")
_SERVICE = re.compile(r"\[(?P<ip>[0-9a-fA-F.:]+)\]:\w+:(?P<port>\d+)")
_FWMARK = re.compile(r"\bFWM (?P<mark>\d+)")
_NAME = re.compile(r"[^\s()\[\]:,']+")
_WORD = re.compile(r"[a-z0-9]{3,}")
#: Words that say nothing of what a sentence is about.
_IN_MANY = frozenset({"the", "and", "not", "for", "with", "vrrp", "keepalived"})
#: Of the machine that it runs on, not of the file.
_MACHINE = re.compile(
    r"SECURITY VIOLATION|default user '.*' for script|[Uu]nable to access script"
    r"|WARNING - script|[Ss]cript .* (?:not found|is not executable)|^Configuration file "
    r"|^Segmentation fault"
)
#: A wrong brace or an unknown block makes keepalived complain of all that follows.
CASCADES = frozenset({"LVS001", "LVS003", "LVS004"})
#: What is said where keepalived complains of something that no rule has found.
RULE = "LVS900"


@dataclass(frozen=True, slots=True)
class Question:
    """What a container is asked about one director."""

    #: To unpack at its root.
    archive: bytes
    #: The program and its arguments.
    argv: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Complaint:
    """One line of ``keepalived -t``, and what it is about."""

    at: Position
    text: str
    #: keepalived itself said at which line.
    placed: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What keepalived said of one director's files."""

    node: str
    #: ``2.3.3``; empty where it said nothing of itself.
    version: str
    #: Of ``keepalived -t``; None where it did not come to an end.
    code: int | None
    complaints: tuple[Complaint, ...]


def question(node: Node) -> Question:
    """Return what to ask about a director's files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, document in node.config.files.items():
            data = document.encode()
            info = tarfile.TarInfo(_path(name).lstrip("/"))
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    interfaces = list(dict.fromkeys(_interfaces(node.config)))[:MAX_INTERFACES]
    addresses = dict.fromkeys(_sources(node.config))
    main = _path(node.config.document.name)
    words = (" ".join(interfaces), " ".join(addresses), main, node.config_id or "")
    return Question(made.getvalue(), ("sh", "-c", SCRIPT, "sh", *words))


def _path(name: str) -> str:
    """Return where a file is put: where it is, so that what it includes is found."""
    return str(Path(name.strip("<>")).resolve())


def _interfaces(config: Config) -> Iterator[str]:
    for node in config.root.walk():
        words = [w.value for w in node.words]
        found = [b for a, b in pairwise(words) if a in ("interface", "dev")]
        if node.parent is not None and node.parent.keyword == "track_interface":
            found.append(node.keyword)
        yield from (name for name in found if _INTERFACE.fullmatch(name) and name != "lo")


def _sources(config: Config) -> Iterator[str]:
    for node in config.root.walk():
        parent = node.parent
        if node.keyword in ("unicast_src_ip", "mcast_src_ip") and parent is not None:
            interface = parent.last("interface")
            if interface is not None and re.fullmatch(r"[0-9a-fA-F.:]+", node.arg()):
                yield f"{node.arg()}@{interface.arg()}"


def answer(node: Node, output: str) -> Answer:
    """Read what the container printed about a director's files."""
    version, code = "", None
    found: list[Complaint] = []
    for line in output.splitlines():
        if match := re.match(r"Keepalived v(\S+)", line):
            version = match[1]
        elif match := re.fullmatch(r"-- (\d+)", line):
            code = int(match[1])
        elif line.strip() and not _MACHINE.search(line):
            found.append(_complaint(node.config, line.strip()))
    return Answer(node.name, version, code, tuple(dict.fromkeys(found))[:MAX_HITS])


def _complaint(config: Config, line: str) -> Complaint:
    if match := _AT.match(line):
        file = _file(config, match["file"] or "")
        return Complaint(Position(file, int(match["line"]), 1), match["text"])
    block = _block(config, line)
    at = block.at if block else Position(config.document.name, 1, 1)
    return Complaint(at, line, placed=False)


def _file(config: Config, said: str) -> str:
    """Return which file keepalived means; it says the path that it opened."""
    for name in config.files:
        if said and (_path(name) == said or _path(name).endswith("/" + said.lstrip("./"))):
            return name
    return config.document.name


def _block(config: Config, line: str) -> ConfNode | None:
    """Return what a line without a place names: a virtual server, an instance, a sync group."""
    wanted: list[list[str]] = []
    if match := _FWMARK.search(line):
        wanted.append(["virtual_server", "fwmark", match["mark"]])
    if match := _SERVICE.search(line):
        wanted.append(["virtual_server", match["ip"], match["port"]])
    # Of two that do not go together the later one is the mistake.
    for name in reversed(_NAME.findall(line)):
        wanted += [["vrrp_instance", name], ["vrrp_sync_group", name]]
    for words in wanted:
        for block in config.root.children:
            if [w.value for w in block.words[: len(words)]] == words:
                return block
    return None


def explaining(findings: Iterable[Finding], complaint: Complaint, config: Config) -> list[Finding]:
    """Return the findings that are about what keepalived complains of.

    They are at the line; or in the same block, where keepalived says much at its end, and about
    the same thing, which is told by a word that both use.
    """
    file, line = complaint.at.file, complaint.at.line
    # A virtual server has too much in it to be one thing, unless it is said of the whole.
    blocks = [
        range(node.at.line, node.closed.line + 1)
        for node in config.root.walk()
        if node.closed is not None
        and node.at.file == file
        and node.at.line <= line <= node.closed.line
        and (line == node.at.line or node.keyword != "virtual_server")
    ]
    said = set(_WORD.findall(complaint.text.lower()))

    def explains(finding: Finding) -> bool:
        at = finding.at.line
        if finding.at.file != file:
            return False
        if line == at or (finding.rule.id in CASCADES and (line > at or not complaint.placed)):
            return True
        return any(at in block for block in blocks) and not said.isdisjoint(_words(finding))

    return [finding for finding in findings if explains(finding)]


def _words(finding: Finding) -> set[str]:
    rule = finding.rule
    text = f"{finding.hit.message} {rule.title} {rule.name}".lower()
    return set(_WORD.findall(text)) - _IN_MANY


def judged(result: Result, answers: Sequence[Answer]) -> Result:
    """Return a result with what keepalived said: at what lint has found, or as a finding more."""
    nodes = {n.name: n for n in result.setting.nodes}
    kept = list(result.findings)
    more: list[Finding] = []
    for one in answers:
        for complaint in one.complaints:
            config = nodes[one.node].config
            mine = [f for f in kept if f.node == one.node]
            known = explaining(mine, complaint, config)
            if known:
                nearest = min(known, key=lambda f: abs(f.at.line - complaint.at.line))
                if not nearest.keepalived:
                    kept[kept.index(nearest)] = replace(nearest, keepalived=complaint.text)
            elif not explaining(result.ignored, complaint, config):
                hit = Hit(complaint.at, f"keepalived says: {complaint.text}")
                more.append(Finding(get(RULE), one.node, hit))
    findings = sorted((*kept, *more), key=lambda f: f.order)
    return replace(result, findings=tuple(findings), asked=tuple(answers))
