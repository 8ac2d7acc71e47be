"""The scalar types of a topology file: addresses, names, raw text, each with its own words."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Network,
    NetmaskValueError,
    ip_network,
)
from typing import Annotated, Any
from unicodedata import category

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from lvslab.errors import TopologyError
from lvslab.topology.problems import shown

#: What Docker takes as a container name, and short enough for `LAB-NODE` to be a hostname
#: (63 octets, RFC 1123).
NAME_PATTERN = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$"
NAME_MAX = 32
#: Words that the command line and the nodes' /etc/hosts need for themselves.
RESERVED = frozenset({"all", "none", "vip", "localhost", "host", "gateway"})
#: IFNAMSIZ - 1: what the kernel takes as an address label (IFA_LABEL).
LABEL_MAX = 15
#: What keepalived reads as one word of its configuration holds no more (parser.c, MAXBUF 1024).
OCTETS_MAX = 255
#: RFC 1035 section 2.3.4: 255 octets, of which the first length and the root's are two.
DNS_NAME_MAX = 253


#: Bytes of a script that is put into a director.
PROGRAM_MAX = 65536
#: Where a file of the user's would be in the way of what makes the node work.
_OWN_PLACES = ("/opt/lvslab", "/etc/lvslab", "/etc/keepalived", "/run", "/proc", "/sys", "/dev")


def bad(message: str, hint: str = "", path: tuple[str | int, ...] = ()) -> PydanticCustomError:
    """Return an error in our own words; ``path`` leads on from the field to the culprit."""
    return PydanticCustomError(
        "lvslab", "{message}", {"message": message, "hint": hint, "path": path}
    )


def _is_ipv6(text: str) -> bool:
    try:
        return isinstance(ip_network(text, strict=False), IPv6Network)
    except ValueError:
        return False


def _address(value: Any) -> IPv4Address:
    if not isinstance(value, str):
        raise bad(f"{shown(value)} is not an IPv4 address, such as 172.20.1.10")
    if _is_ipv6(value) and ":" in value:
        raise bad(f"{shown(value)} is IPv6, which is not supported: IPv4 only")
    try:
        return IPv4Address(value)
    except AddressValueError:
        pass
    if "/" in value:
        raise bad(
            f"{shown(value)} has a prefix length; a node's address is written without",
            f"did you mean '{value.split('/')[0]}'?",
        )
    octets = value.split(".")
    if len(octets) == 4 and all(o.isascii() and o.isdigit() and len(o) < 9 for o in octets):
        if too_big := [o for o in octets if int(o) > 255]:
            raise bad(f"{shown(value)} is not an IPv4 address: {too_big[0]} is above 255")
        fixed = ".".join(str(int(o)) for o in octets)
        raise bad(
            f"{shown(value)} is not an IPv4 address: no leading zeros", f"did you mean '{fixed}'?"
        )
    raise bad(f"{shown(value)} is not an IPv4 address, such as 172.20.1.10")


def _vip(value: Any) -> IPv4Address:
    if isinstance(value, str) and "/" in value and ":" not in value:
        address, _, prefix = value.partition("/")
        if prefix != "32":
            raise bad(
                f"VIP {shown(value)}: a VIP is a /32; with a shorter prefix it is a second on-link "
                "address that may vanish with the first",
                f"did you mean '{address}'?",
            )
        value = address
    return _address(value)


def _subnet(value: Any) -> IPv4Network:
    text = value if isinstance(value, str) else ""
    if ":" in text and _is_ipv6(text):
        raise bad(f"{shown(value)} is IPv6, which is not supported: IPv4 only")
    if "/" not in text:
        raise bad(f"{shown(value)} is not a subnet, such as 172.20.0.0/16")
    try:
        network = IPv4Network(text, strict=False)
    except (AddressValueError, NetmaskValueError) as error:
        raise bad(f"{shown(value)} is not a subnet, such as 172.20.0.0/16") from error
    if not text.partition("/")[2].isdigit():
        raise bad(f"{shown(value)}: write the prefix length", f"did you mean '{network}'?")
    if str(network) != text:
        raise bad(f"{shown(value)} has host bits set", f"did you mean '{network}'?")
    for wrong, what in (
        (network.is_loopback, "the loopback range"),
        (network.is_multicast, "the multicast range"),
        (network.is_link_local, "the link-local range"),
        (network.network_address in IPv4Network("240.0.0.0/4"), "the reserved range"),
        (network.network_address in IPv4Network("0.0.0.0/8"), "the range of 'this network'"),
    ):
        if wrong:
            raise bad(f"{network} is in {what}", "private ranges: 10/8, 172.16/12, 192.168/16")
    if network.prefixlen < 8:
        raise bad(f"{network} is larger than any network: /8 is the largest that is taken")
    return network


def _name(value: str) -> str:
    if not value:
        raise bad("a name is empty")
    if value.casefold() in RESERVED:
        raise bad(f"'{value}' cannot be a name: the word is reserved")
    if len(value) > NAME_MAX:
        raise bad(f"{shown(value)} is too long for a name: {len(value)} characters, {NAME_MAX} fit")
    if not re.fullmatch(NAME_PATTERN[1:-1], value, re.ASCII):
        better = re.sub(r"[^a-zA-Z0-9_.-]+", "-", value).strip("-_.")
        raise bad(
            f"{shown(value)} cannot be a name: letters, digits, '_', '.', '-', and first a letter "
            "or digit",
            f"did you mean '{better}'?" if better else "",
        )
    return value


def check_name(value: str) -> None:
    """Raise TopologyError when the text cannot name a lab or a node."""
    try:
        _name(value)
    except PydanticCustomError as error:
        raise TopologyError(error.message(), fix=(error.context or {}).get("hint")) from error


def _label(value: str) -> str:
    if len(value) > LABEL_MAX:
        raise bad(
            f"label {shown(value)} is too long: {len(value)} characters, the kernel takes "
            f"{LABEL_MAX}"
        )
    if not re.fullmatch(r"eth0:[a-zA-Z0-9_.-]+", value, re.ASCII):
        raise bad(f"label {shown(value)} has to be eth0:WORD", "such as 'eth0:vip'")
    return value


def control(text: str) -> str:
    """Return the first character that no line of a configuration can hold; empty without one.

    Control characters, what is no UTF-8 (lone surrogates), and what ends a line for some who read
    it and not for others. keepalived takes any other, a no-break space also, as part of a word.
    """
    held = (c for c in text if c not in "\n\t" and category(c) in ("Cc", "Cs", "Zl", "Zp"))
    return next(held, "")


def _raw(value: str) -> str:
    if char := control(value):
        number = value[: value.index(char)].count("\n") + 1
        raise bad(f"raw text holds a control character, U+{ord(char):04X} (its line {number})")
    depth = 0
    for number, line in enumerate(value.splitlines(), 1):
        # keepalived.conf(5): '#' and '!' begin a comment.
        for char in re.split(r"[#!]", line, maxsplit=1)[0]:
            depth += (char == "{") - (char == "}")
            if depth < 0:
                raise bad(f"raw text closes a '}}' that it never opened (its line {number})")
    if depth:
        raise bad(f"raw text leaves {depth} '{{' open: it would swallow what follows it")
    return value


def _word(value: str) -> str:
    if not re.fullmatch(r"[!-~]+", value) or re.search(r"[\"'#!{}$\\]", value):
        raise bad(f"{shown(value)} has to be one plain word: no spaces, quotes, # ! $ \\ {{ }}")
    return value


def _line(value: str) -> str:
    if not value.strip() or not value.isprintable() or '"' in value:
        raise bad(f"{shown(value)} has to be one line of text, without double quotes")
    return value


def _hex(value: str) -> str:
    return _octets(value, "", "such as 'deadbeef'")


def _hex_pattern(value: str) -> str:
    return _octets(value, "xX", "such as 'de xx be ef', where x is any digit")


def _octets(value: str, more: str, example: str) -> str:
    digits = re.sub(r"[ \t]", "", value)
    if not re.fullmatch(f"([0-9a-fA-F{more}]{{2}})+", digits):
        raise bad(f"{shown(value)} has to be octets of two hexadecimal digits each", example)
    if len(digits) > 2 * OCTETS_MAX:
        raise bad(f"{shown(value)} is too long: {len(digits) // 2} octets, {OCTETS_MAX} are taken")
    return digits.lower()


def _dns_name(value: str) -> str:
    # RFC 1035 section 2.3.4; keepalived sends each label's length as one octet and checks nothing.
    labels = [] if value == "." else value.removesuffix(".").split(".")
    if any(not 0 < len(label) < 64 for label in labels) or len(value) > DNS_NAME_MAX:
        raise bad(
            f"{shown(value)} is no DNS name: labels of 1 to 63 characters, {DNS_NAME_MAX} in all"
        )
    return _word(value)


def _program_path(value: str) -> str:
    if not re.fullmatch(r"(/[a-zA-Z0-9_.+-]+)+", value) or {".", ".."} & set(value.split("/")):
        raise bad(f"{shown(value)} is no absolute path of a program", "such as /usr/local/bin/chk")
    if value.startswith(tuple(f"{place}/" for place in _OWN_PLACES)):
        raise bad(
            f"{shown(value)} is no place for a program: lvslab or the system have theirs there",
            "such as /usr/local/bin/chk",
        )
    return value


def _program(value: str) -> str:
    if "\0" in value:
        raise bad("a program is text here, and this holds a NUL")
    if len(value.encode()) > PROGRAM_MAX:
        raise bad(f"a program has {PROGRAM_MAX} bytes at most, and this {len(value.encode())}")
    return value


def _schema(**extra: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **extra})


def _text(check: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(check)


Address = Annotated[IPv4Address, BeforeValidator(_address), _schema(format="ipv4")]
Vip = Annotated[
    IPv4Address,
    BeforeValidator(_vip),
    _schema(pattern=r"^\d+\.\d+\.\d+\.\d+(/32)?$"),
]
Subnet = Annotated[IPv4Network, BeforeValidator(_subnet), _schema(pattern=r"^[0-9.]+/\d+$")]
Name = Annotated[str, _text(_name), _schema(pattern=NAME_PATTERN, maxLength=NAME_MAX)]
Label = Annotated[str, _text(_label), _schema(pattern=r"^eth0:[a-zA-Z0-9_.-]+$", maxLength=15)]
Raw = Annotated[str, _text(_raw)]
Word = Annotated[str, _text(_word)]
Line = Annotated[str, _text(_line)]
Hex = Annotated[str, _text(_hex)]
HexPattern = Annotated[str, _text(_hex_pattern)]
DnsName = Annotated[str, _text(_dns_name)]
ProgramPath = Annotated[str, _text(_program_path), _schema(pattern=r"^(/[a-zA-Z0-9_.+-]+)+$")]
Program = Annotated[str, _text(_program)]
