"""The files in the lab's words: what a lab cannot have is changed or left out, and told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network

from lvslab.importer import adapt_http, adapt_lvs, adapt_nat, adapt_vrrp
from lvslab.importer.addresses import one_network
from lvslab.importer.behind import first_method
from lvslab.importer.model import Source
from lvslab.importer.twins import Twins
from lvslab.importer.unheeded import unheeded, unwritable
from lvslab.importer.values import values


def adapt(
    sources: Sequence[Source],
    *,
    interface: str,
    subnet: IPv4Network | None,
    programs: Mapping[str, str],
) -> tuple[Twins, IPv4Network | None, adapt_nat.Behind | None]:
    """Return changed copies of the files' trees, and the network that has all their addresses.

    With NAT a second one, behind the directors, has those of the real servers.

    What is under test stays: VRIDs and priorities are changed only where the lab's one segment
    would let two instances, or two directors, have the same one. A script that is in ``programs``
    (text by path) stays what it is; any other is replaced by one that fails on demand.
    """
    twins = Twins.of(sources)
    unheeded(twins)
    values(twins)
    adapt_vrrp.machine(twins, interface)
    adapt_vrrp.addresses_v4(twins)
    adapt_vrrp.excluded(twins)
    adapt_vrrp.passwords(twins)
    adapt_lvs.servers(twins)
    adapt_lvs.scripts(twins, programs)
    twins.reread()
    adapt_vrrp.vips(twins)
    adapt_vrrp.unheld(twins, interface)
    twins.reread()
    nat = adapt_nat.nat(twins, subnet)
    if nat is None:
        network = one_network(twins, subnet, method=first_method(twins))
    else:
        network = one_network(twins, nat.outer, inside=nat.inside, gateway=nat.gateway)
    # What a page has in it is its real server's address.
    adapt_http.checks(twins)
    twins.reread()
    adapt_vrrp.vrids(twins)
    adapt_vrrp.priorities(twins)
    unwritable(twins)
    twins.reread()
    return twins, network, nat
