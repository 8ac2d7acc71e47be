"""What a real server's interfaces need, for each of the three programs that configure them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lvslab.export.model import ExportedFile, Links, exported, rendered
from lvslab.plan.forwarding import TUNNEL, vips_of
from lvslab.topology.spec import Forwarding, RealServerSpec, TopologySpec

#: NetworkManager brings up a tunnel that it made itself; tunl0 is the kernel's.
NM_TUNNEL = "lvs-tunl"

#: What is configured: the VIPs on lo, the VIPs on the tunnel's end, or the way to the gateway.
SUBJECT: Mapping[Forwarding, str] = {"DR": "lo", "TUN": TUNNEL, "NAT": "inside"}


@dataclass(frozen=True, slots=True)
class Manager:
    """A program that configures interfaces. Of the three a machine has one."""

    name: str
    #: Its file, for a subject, and the end of the template's name.
    path: str
    template: str
    mode: int = 0o644

    def file(self, spec: TopologySpec) -> str:
        """Return the path of its file below a real server's root."""
        return self.path.format(SUBJECT[spec.forwarding])

    def reload(self, spec: TopologySpec, links: Links) -> str:
        """Return the command after which what its file says holds, for a shell."""
        subject = SUBJECT[spec.forwarding]
        if self.name == "networkd":
            return "networkctl reload"
        if self.name == "networkmanager":
            load = f"nmcli connection load /{self.file(spec)}"
            # lo is there, and takes it up by itself.
            return load if subject == "lo" else f"{load} && nmcli connection up lvs-{subject}"
        if spec.inside is not None:
            # The interface is up: taken down, it would cut off whoever is doing this.
            return f"ip route replace default via {spec.inside.gateway} dev {links.first}"
        return "ifup --all"


MANAGERS = (
    Manager("networkd", "etc/systemd/network/10-lvs-{}.network", "network"),
    # It reads no profile that others than root could.
    Manager(
        "networkmanager", "etc/NetworkManager/system-connections/lvs-{}.nmconnection", "nm", 0o600
    ),
    Manager("ifupdown", "etc/network/interfaces.d/lvs-{}", "interfaces"),
)


def interface_files(
    spec: TopologySpec, me: RealServerSpec, links: Links
) -> tuple[ExportedFile, ...]:
    """Return a real server's file for each of the managers."""
    return tuple(
        exported(
            f"{me.name}/{manager.file(spec)}",
            rendered(
                f"{SUBJECT[spec.forwarding]}.{manager.template}.j2",
                node=me.name,
                address=me.address,
                vips=vips_of(spec, me.name),
                inside=spec.inside,
                interface=links.first,
                tunnel=TUNNEL,
                nm_tunnel=NM_TUNNEL,
            ),
            manager.mode,
        )
        for manager in MANAGERS
    )
