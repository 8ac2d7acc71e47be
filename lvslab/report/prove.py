"""A proof as lines for people, to be read aloud as well, and as JSON.

JSON (keys are added, never changed): ``proved``, ``vip``, ``port``, ``client``, ``requests``,
``arp``: [{mac, node}]; ``forwarding``: DR, NAT or TUN; ``gateway``: as ``arp``, with NAT;
``servers``: [{name, address, proved, served, requests, hops, breaks}];
``breaks``. A hop: sender, receiver, source_mac, target_mac, source, target (``ADDRESS:PORT``),
after (seconds since the first), arrived, note. A break: kind, node, what, fix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from lvslab.prove.causes import NAMES
from lvslab.prove.frames import Endpoint
from lvslab.prove.model import Break, Hop, Proof, ServerProof


def to_dict(proof: Proof) -> dict[str, Any]:
    """Return the proof as JSON-able data."""
    return {
        "proved": proof.proved,
        "forwarding": proof.forwarding,
        "vip": proof.vip,
        "port": proof.port,
        "client": proof.client,
        "requests": proof.requests,
        "arp": [{"mac": mac, "node": node} for mac, node in proof.answers.items()],
        "gateway": [{"mac": mac, "node": node} for mac, node in proof.gateway_answers.items()],
        "servers": [_server(one) for one in proof.servers],
        "breaks": [asdict(one) for one in proof.breaks],
    }


def _server(one: ServerProof) -> dict[str, Any]:
    hops = one.path.hops if one.path else ()
    return {
        "name": one.name,
        "address": one.address,
        "proved": one.proved,
        "served": one.served,
        "requests": one.requests,
        "hops": [
            asdict(h)
            | {"source": _at(h.source), "target": _at(h.target), "after": round(h.after, 6)}
            for h in hops
        ],
        "breaks": [asdict(b) for b in one.breaks],
    }


def headline(proof: Proof) -> str:
    """Return the proof in a line."""
    service = f"{proof.vip}:{proof.port}"
    if proof.proved:
        names = " and ".join(s.name for s in proof.servers)
        return f"proved: {service} is {NAMES[proof.forwarding]}, by {names}"
    through = "through" if proof.forwarding == "TUN" else "by"
    how = f"{through} {NAMES[proof.forwarding]}"
    return f"broken: {service} is not served {how} as it should be"


def arp_lines(proof: Proof) -> Iterator[str]:
    """Yield who answers ARP for the VIP and, with NAT, for the real servers' gateway."""
    yield _who_has(proof.vip, proof.answers)
    if proof.gateway and proof.forwarding == "NAT":
        yield _who_has(proof.gateway, proof.gateway_answers)


def _who_has(address: str, answers: Mapping[str, str | None]) -> str:
    who = [node or f"an unknown {mac}" for mac, node in answers.items()]
    if len(who) == 1:
        (mac,) = answers
        return f"who has {address}? {who[0]} alone answers: {mac}"
    return f"who has {address}? " + (" and ".join(who) + " answer" if who else "nobody answers")


def title(one: ServerProof) -> str:
    """Return what is said of one real server, over its hops."""
    if not one.requests:
        return f"{one.name} ({one.address}): no request came to it"
    count = f"{one.served} of {one.requests} requests"
    return (
        f"{one.name} ({one.address}): {'proved' if one.proved else 'broken'}, {count} as it should"
    )


COLUMNS = ("", "FROM", "TO", "IN A FRAME TO", "FROM ADDRESS", "TO ADDRESS", "AFTER", "")


def rows(one: ServerProof) -> Iterator[tuple[object, ...]]:
    """Yield a row for each hop of the request that stands for all."""
    before: Hop | None = None
    for number, hop in enumerate(one.path.hops if one.path else (), 1):
        yield (
            number,
            hop.sender,
            hop.receiver,
            hop.target_mac,
            _at(hop.source),
            _at(hop.target),
            f"{hop.after * 1000:.1f} ms",
            _remark(hop, before),
        )
        before = hop


def _remark(hop: Hop, before: Hop | None) -> str:
    if hop.note:
        return hop.note
    if not hop.arrived:
        return "did not arrive"
    if before is None:
        return "the request"
    if (hop.source, hop.target) == (before.source, before.target):
        return "same addresses"
    if (hop.source, hop.target) == (before.target, before.source):
        return "the answer"
    return "rewritten"


def line(one: Break) -> str:
    """Return a break in a line."""
    return f"{one.kind}: {one.what}" + (f" ({one.fix})" if one.fix else "")


def _at(endpoint: Endpoint) -> str:
    return f"{endpoint[0]}:{endpoint[1]}"
