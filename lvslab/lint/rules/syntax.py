"""LVS001 to LVS019: what keepalived does not understand, or understands otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from lvslab.conf import vocabulary
from lvslab.conf.commands import SCRIPTS, command_of
from lvslab.conf.vocabulary import BLOCK, LINE, VALUES
from lvslab.lint.edits import drop
from lvslab.lint.known import known
from lvslab.lint.model import Hit, Node
from lvslab.lint.registry import ERROR, WARNING, rule
from lvslab.topology.problems import did_you_mean, shown


def _name(block: str) -> str:
    return block or "the top level of the file"


@rule(
    "LVS001",
    ERROR,
    "syntax",
    "A keyword that keepalived does not know",
    why="keepalived logs 'Unknown keyword' and goes on as if the line were not there, so what it "
    "should have set keeps its default. If it opens a block, keepalived ignores the '{', and the "
    "'}' then ends the block around it: all that follows is read at the wrong level.",
    fix="Correct the keyword, or remove the line.",
    source="process_stream() in keepalived's lib/parser.c; seen with keepalived 2.2.7",
    bad="virtual_server 172.20.1.100 80 {\n    nat_mask 255.255.0.0\n}",
)
def unknown_keyword(node: Node) -> Iterator[Hit]:
    """Unknown anywhere."""
    for child, block, kind in known(node):
        word = child.keyword
        if kind is not None or not word or vocabulary.places(word):
            continue
        gone = vocabulary.GONE.get(word)
        hint = gone or did_you_mean(word, vocabulary.keywords(block))
        nested = "; it opens a block, so its '}' ends the block around it" if child.is_block else ""
        edits = drop(node, child) if word == "nat_mask" else ()
        yield Hit(child.at, f"keepalived knows no {shown(word)}{nested}", hint, edits)


@rule(
    "LVS002",
    ERROR,
    "syntax",
    "A keyword in a block where it means nothing",
    why="keepalived knows keywords by block. In another one it is 'Unknown keyword', and the line "
    "is ignored.",
    fix="Move the line into a block that has this keyword.",
    source="process_stream() in keepalived's lib/parser.c",
    bad="vrrp_instance VI_1 {\n    lb_kind DR\n}",
)
def misplaced_keyword(node: Node) -> Iterator[Hit]:
    """Known, but elsewhere."""
    for child, block, kind in known(node):
        word = child.keyword
        if kind is not None or not word or not (places := vocabulary.places(word)):
            continue
        where = ", ".join(_name(p) for p in places[:4])
        # vrrp_strict and strict_mode: one thing under two names is worth more than a list.
        yield Hit(
            child.at, f"{shown(word)} means nothing in {_name(block)}", f"it belongs to {where}"
        )


_ISSUES = {
    "extra-brace": "a '}' that closes nothing",
    "open-block": "",
    "brace": "a '{' that belongs to no keyword",
}


@rule(
    "LVS003",
    ERROR,
    "syntax",
    "Braces that do not match",
    why="keepalived reads on at the wrong level: what follows belongs to another block, or is "
    "unknown there.",
    fix="Close each block once.",
    source="read_line() and process_stream() in keepalived's lib/parser.c",
    bad="vrrp_instance VI_1 {\n    interface eth0\n",
)
def braces(node: Node) -> Iterator[Hit]:
    """From the tree's issues."""
    for issue in node.config.issues:
        if issue.kind in _ISSUES:
            yield Hit(issue.at, _ISSUES[issue.kind] or issue.text)


@rule(
    "LVS004",
    ERROR,
    "syntax",
    "A block without its '{', or a line with one",
    why="After a keyword that is a block keepalived takes the next lines for its contents and says "
    "\"Missing '{'\"; after one that is none it ignores the '{', and the '}' ends the block around "
    "it.",
    fix="Write '{' after keywords that are blocks, and only there.",
    source="process_stream() in keepalived's lib/parser.c",
    bad="real_server 172.20.1.10 80 {\n    TCP_CHECK\n}",
    good="real_server 172.20.1.10 80 {\n    TCP_CHECK {\n    }\n}",
)
def missing_brace(node: Node) -> Iterator[Hit]:
    """By the vocabulary."""
    for child, _, kind in known(node):
        if kind in (BLOCK, VALUES) and not child.is_block:
            yield Hit(
                child.at, f"{shown(child.keyword)} is a block, and no '{{' follows", "{ ... }"
            )
        elif kind == LINE and child.is_block:
            yield Hit(child.at, f"{shown(child.keyword)} is no block, yet a '{{' follows")


@rule(
    "LVS005",
    ERROR,
    "syntax",
    "A quote that is not closed",
    why="keepalived drops the word, says 'Unmatched quote', and takes what follows on the line, "
    "comments included, as part of it.",
    fix='Close the quote on the same line: "...".',
    source="alloc_strvec_r() and decomment() in keepalived's lib/parser.c",
    bad='script "/usr/local/bin/check',
)
def open_quote(node: Node) -> Iterator[Hit]:
    """From the preprocessor; in a script's line single quotes count, too."""
    told = set()
    for issue in node.config.issues:
        if issue.kind == "quote":
            told.add((issue.at.file, issue.at.line))
            yield Hit(issue.at, "a double quote is opened and not closed on this line")
    for line in node.view.root.walk():
        if line.keyword not in SCRIPTS or (line.at.file, line.at.line) in told:
            continue
        if command_of(line).open_quote:
            yield Hit(line.arg_at(), "a quote of this command is opened and not closed")


#: Keywords whose arguments may be words that are keywords, too.
_FREE = frozenset(
    [
        "lvs_sync_daemon",
        "lvs_timeouts",
        "process",
        "param_match",
        "virtualhost",
        "helo_name",
        "smtp_alert",
        "name",
        "type",
        "router_id",
        "include_check",
        "lvs_method",
        "lb_kind",
        "sorry_server_lvs_method",
        "weight",
        "notify_master",
        "notify_backup",
        "notify_fault",
        "notify_stop",
        "notify",
        "notify_up",
        "notify_down",
        "quorum_up",
        "quorum_down",
        "script",
        "misc_path",
        "auth_pass",
        "auth_type",
        "regex",
        "regex_options",
        "payload",
    ]
)


@rule(
    "LVS006",
    ERROR,
    "syntax",
    "Two keywords on one line",
    why="keepalived takes the first word of a line as the keyword and the rest as its arguments. "
    "Arguments too many are ignored without a word, so the second keyword has no effect.",
    fix="Give each keyword a line of its own.",
    source="process_stream() in keepalived's lib/parser.c; seen with keepalived 2.2.7: silent",
    bad="priority 100 advert_int 1",
    good="priority 100\nadvert_int 1",
)
def two_keywords(node: Node) -> Iterator[Hit]:
    """A later word that is a keyword of the same block."""
    for child, block, kind in known(node):
        if kind is None or child.keyword in _FREE or not block:
            continue
        for word in child.words[1:]:
            if (
                not word.quoted
                and vocabulary.keywords(block).get(word.value)
                and len(word.value) > 2
            ):
                said = f"{shown(word.value)} is taken as an argument of {shown(child.keyword)}"
                yield Hit(word.at, f"{said}, and has no effect", "a line of its own")
                break


@rule(
    "LVS007",
    WARNING,
    "syntax",
    "An include that finds no file",
    why="Plain 'include' is silent about it: keepalived starts with a part of the configuration "
    "missing.",
    fix="Correct the path (relative ones begin at the including file), or use includea, which "
    "makes it an error.",
    source="keepalived.conf(5), 'include'",
    bad="include conf.d/missing.conf",
)
def include_nothing(node: Node) -> Iterator[Hit]:
    """From the preprocessor."""
    for issue in node.config.issues:
        if issue.kind == "include":
            yield Hit(issue.at, f"no file matches {shown(issue.text)}")


@rule(
    "LVS008",
    ERROR,
    "syntax",
    "A parameter that is not defined",
    why="keepalived leaves $NAME in the text as it is. ${NAME} is worse: its braces are then "
    "taken for those of a block.",
    fix="Define it above its use: $NAME=value, without a blank before '='.",
    source="keepalived.conf(5), 'Parameter substitution'",
    bad="$VRID=51\nvrrp_instance VI_1 {\n    virtual_router_id $VIRD\n}",
)
def undefined_parameter(node: Node) -> Iterator[Hit]:
    """From the preprocessor."""
    for issue in node.config.issues:
        if issue.kind == "undefined":
            yield Hit(issue.at, f"${shown(issue.text).strip(chr(39))} is not defined at this point")
        elif issue.kind == "repeat":
            yield Hit(issue.at, issue.text)
