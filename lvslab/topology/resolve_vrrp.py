"""VRRP: who holds which VIP, and what keepalived would silently do otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from typing import Any, Literal

from lvslab.topology.context import Context
from lvslab.topology.models import Topology, Vrrp, VrrpInstance
from lvslab.topology.problems import plural
from lvslab.topology.spec import AuthSpec, GarpSpec, VrrpInstanceSpec, VrrpMember
from lvslab.topology.yamltree import Path

FIRST_VRID = 51
#: For directors without a priority. Wide steps first: the skew of VRRP is priority / 256 s.
PRIORITIES = (100, 50, 40, 30, 20, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1)
#: keepalived.conf(5): only the first eight characters are used (RFC 2338, 5.3.6).
AUTH_PASS_MAX = 8


@dataclass(frozen=True, slots=True)
class Vips:
    """The instances, and every VIP with the name of its instance and its place."""

    instances: dict[str, VrrpInstance]
    all: list[tuple[IPv4Address, str, Path]]
    shorthand: bool

    @classmethod
    def of(cls, model: Topology) -> Vips:
        """Collect them from ``vrrp_instances``, else ``vip``, else the virtual servers."""
        if model.vrrp_instances is not None:
            found = [
                (vip, name, ("vrrp_instances", name, "vips", index))
                for name, instance in model.vrrp_instances.items()
                for index, vip in enumerate(instance.vips)
            ]
            return cls(model.vrrp_instances, list(found), shorthand=False)
        places: list[tuple[IPv4Address, str, Path]] = []
        if model.vip is not None:
            places = [(vip, "VI_1", ("vip", index)) for index, vip in enumerate(model.vip)]
        else:
            seen = set()
            for index, server in enumerate(model.virtual_servers or ()):
                if server.vip is not None and server.vip not in seen:
                    seen.add(server.vip)
                    places.append((server.vip, "VI_1", ("virtual_servers", index, "vip")))
        instances = {"VI_1": VrrpInstance(vips=[str(p[0]) for p in places])} if places else {}  # type: ignore[misc]
        return cls(instances, places, shorthand=True)


def claim_vips(context: Context, vips: Vips) -> None:
    """Take every VIP out of the subnet's addresses; note those that are in it twice."""
    holders: dict[IPv4Address, str] = {}
    for vip, instance, path in vips.all:
        holder = holders.get(vip)
        if holder is not None:
            what = "two instances would fight over it" if holder != instance else "once is enough"
            context.bad(path, f"VIP {vip} is in {holder} already: {what}")
        else:
            context.claim(vip, "the VIP", path)
            holders[vip] = instance


def vrrp_instances(
    context: Context, vips: Vips, addresses: dict[str, IPv4Address]
) -> tuple[VrrpInstanceSpec, ...]:
    """Return every instance; problems are noted in the context."""
    model = context.model
    if not vips.instances:
        context.bad((), "there is no VIP", "add a line such as 'vip: 172.20.1.100'")
    if not vips.shorthand and model.vip is not None:
        context.bad(
            ("vip",), "'vip' is short for one vrrp_instance: not together with 'vrrp_instances'",
            "write it into an instance's 'vips'", key=True,
        )  # fmt: skip
    vrids = _vrids(context, vips)
    result = tuple(
        _instance(context, vips, name, vrids[name], addresses) for name in vips.instances
    )
    for instance in result[1:]:
        # keepalived.conf(5): vrrp_garp_interval is global or per interface, never per instance.
        if instance.garp.interval != result[0].garp.interval:
            context.bad(
                ("vrrp_instances", instance.name, "garp", "interval"),
                f"garp interval is not that of {result[0].name}: keepalived has one for all",
                "set it in 'vrrp'",
            )
    return result


def _vrids(context: Context, vips: Vips) -> dict[str, int]:
    taken: dict[int, str] = {}
    for name, instance in vips.instances.items():
        if instance.vrid is None:
            continue
        if instance.vrid in taken:
            context.bad(
                ("vrrp_instances", name, "vrid"),
                f"vrid {instance.vrid} is used twice on one network: {taken[instance.vrid]} has it",
            )
        taken.setdefault(instance.vrid, name)
    free = iter(n for n in (*range(FIRST_VRID, 256), *range(1, FIRST_VRID)) if n not in taken)
    if len(vips.instances) > 255:
        context.bad(
            ("vrrp_instances",), "more than 255 instances: a network has 255 vrids", key=True
        )
    return {
        name: instance.vrid if instance.vrid is not None else next(free, 0)
        for name, instance in vips.instances.items()
    }


class _Settings:
    """An instance's settings over those of ``vrrp``, each with its place."""

    def __init__(self, context: Context, name: str, instance: Vrrp, own: bool) -> None:
        self._layers: list[tuple[Path, Vrrp]] = [(("vrrp",), context.model.vrrp)]
        if own:
            self._layers.insert(0, (("vrrp_instances", name), instance))

    def get(self, key: str, default: Any) -> Any:
        return next(
            (v for _, layer in self._layers if (v := getattr(layer, key)) is not None), default
        )

    def garp(self) -> GarpSpec:
        """Return the GARP settings, key by key: an instance may set one more."""
        merged: dict[str, Any] = {}
        for _, layer in reversed(self._layers):
            if layer.garp is not None:
                merged |= layer.garp.model_dump(exclude_none=True)
        return GarpSpec(**merged)

    def place(self, key: str) -> Path:
        return next(
            ((*path, key) for path, layer in self._layers if getattr(layer, key) is not None), ()
        )

    def depth(self, key: str) -> int:
        """Return how far the setting is from the instance; unset is furthest."""
        places = (i for i, (_, layer) in enumerate(self._layers) if getattr(layer, key) is not None)
        return next(places, len(self._layers))


def _instance(
    context: Context, vips: Vips, name: str, vrid: int, addresses: dict[str, IPv4Address]
) -> VrrpInstanceSpec:
    instance = vips.instances[name]
    settings = _Settings(context, name, instance, not vips.shorthand)
    version: Literal[2, 3] = settings.get("version", 2)
    advert_int = float(settings.get("advert_int", 1.0))
    _advert(context, settings, version, advert_int)
    nopreempt = not settings.get("preempt", True)
    delay = settings.get("preempt_delay", None) or None
    if nopreempt and delay:
        if settings.depth("preempt") < settings.depth("preempt_delay"):
            delay = None  # An instance's own 'preempt: false' ends a delay of 'vrrp'.
        else:
            context.bad(
                settings.place("preempt_delay"),
                "'preempt_delay' without preempting: keepalived ignores it",
                "remove it, or 'preempt: false'", key=True,
            )  # fmt: skip
    priorities = _priorities(context, name, instance)
    # keepalived clears nopreempt and preempt_delay where the initial state is MASTER.
    all_backup = nopreempt or delay is not None
    if settings.get("unicast", False) and len(priorities) == 1:
        context.bad(settings.place("unicast"), f"'unicast' needs a peer: {name} has one director")
    top = max(priorities.values(), default=0)
    return VrrpInstanceSpec(
        name=name,
        vrid=vrid,
        version=version,
        advert_int=advert_int,
        vips=tuple(IPv4Interface(f"{vip}/32") for vip in instance.vips),
        members=tuple(
            VrrpMember(
                director=director,
                address=addresses[director],
                priority=priority,
                state="MASTER" if priority == top and not all_backup else "BACKUP",
                nopreempt=nopreempt,
                preempt_delay=delay,
            )
            for director, priority in priorities.items()
        ),
        unicast=settings.get("unicast", False),
        auth=_auth(context, settings, version),
        garp=settings.garp(),
        label=instance.label,
        raw=instance.raw,
    )


def _advert(context: Context, settings: _Settings, version: int, advert_int: float) -> None:
    place = settings.place("advert_int")
    if version == 2 and advert_int != int(advert_int):
        better = max(1, round(advert_int))
        context.bad(
            place, f"advert_int {advert_int:g}: VRRP version 2 counts whole seconds",
            f"'version: 3' takes it, or write {better}",
        )  # fmt: skip
    elif version == 3 and advert_int > 40.95:
        context.bad(place, f"advert_int {advert_int:g}: VRRP version 3 goes up to 40.95 seconds")
    elif version == 3 and abs(advert_int * 100 - round(advert_int * 100)) > 1e-6:
        context.bad(
            place, f"advert_int {advert_int:g}: VRRP version 3 counts hundredths of a second",
            f"did you mean '{round(advert_int, 2):g}'?",
        )  # fmt: skip


def _auth(context: Context, settings: _Settings, version: int) -> AuthSpec | None:
    auth = settings.get("auth", None)
    if auth is None:
        return None
    if version == 3:
        context.bad(
            settings.place("auth"), "VRRP version 3 has no authentication: keepalived drops it",
            "remove it, or 'version: 2'", key=True,
        )  # fmt: skip
    if len(auth.auth_pass) > AUTH_PASS_MAX:
        context.bad(
            (*settings.place("auth"), "auth_pass"),
            f"the password has {plural(len(auth.auth_pass), 'character')}: VRRP sends the first "
            f"{AUTH_PASS_MAX} only",
            f"did you mean '{auth.auth_pass[:AUTH_PASS_MAX]}'?",
        )
    return AuthSpec(auth.auth_type, auth.auth_pass)


def _priorities(context: Context, name: str, instance: VrrpInstance) -> dict[str, int]:
    """Return the priority of each director that takes part, in the order of the directors."""
    directors = context.model.directors
    base: Path = ("vrrp_instances", name, "priorities")
    if instance.priorities is not None:
        for director in instance.priorities:
            context.reference(director, directors, "director", (*base, director))
        wanted = {d: instance.priorities[d] for d in directors if d in instance.priorities}
        places: dict[str, Path] = {d: (*base, d) for d in wanted}
        if not instance.priorities:
            context.bad(base, f"'priorities' is empty: {name} would have no director")
    else:
        explicit = {d: node.priority for d, node in directors.items() if node.priority is not None}
        places = {d: ("directors", d, "priority") for d in directors}
        wanted = {}
        for director in directors:
            below = min(wanted.values(), default=255)
            free = (p for p in PRIORITIES if p < below and p not in explicit.values())
            priority = explicit.get(director) or next(free, None)
            if priority is None:
                context.bad(
                    ("directors", director),
                    f"no default priority is left for '{director}'", "give it a 'priority'",
                    key=True,
                )  # fmt: skip
                continue
            wanted[director] = priority
    seen: dict[int, str] = {}
    for director, priority in wanted.items():
        if priority in seen:
            context.bad(
                places[director],
                f"priority {priority} of '{director}' is that of '{seen[priority]}' too: the "
                "higher address would win",
                "give each its own",
            )
        seen.setdefault(priority, director)
    return wanted
