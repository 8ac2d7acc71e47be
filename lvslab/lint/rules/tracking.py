"""LVS050 to LVS059: what an instance tracks, and sync groups."""

from __future__ import annotations

from collections.abc import Iterator

from lvslab.lint.model import Hit, Node
from lvslab.lint.registry import ERROR, INFO, WARNING, rule
from lvslab.topology.problems import did_you_mean, shown

_DEFINED_BY = {
    "track_script": "vrrp_script",
    "track_file": "track_file",
    "track_process": "vrrp_track_process",
    "track_bfd": "bfd_instance",
}


@rule(
    "LVS050",
    ERROR,
    "tracking",
    "Something tracked that is not defined",
    why="keepalived says 'not found, ignoring' and tracks nothing: the failure that should move "
    "the VIP moves nothing.",
    fix="Define it, or correct the name.",
    source="seen with keepalived 2.2.7: 'track script nope not found, ignoring...'",
    bad="track_script {\n    chk_httpd\n}",
)
def unknown_tracker(node: Node) -> Iterator[Hit]:
    """Names of instances and of sync groups."""
    for block in node.view.root.all("vrrp_instance", "vrrp_sync_group"):
        for tracked in block.all(*_DEFINED_BY):
            known = node.view.trackers[tracked.keyword]
            for line in tracked.children:
                if line.keyword and line.keyword not in known:
                    said = f"no {_DEFINED_BY[tracked.keyword]} is called {shown(line.keyword)}"
                    yield Hit(line.at, said, did_you_mean(line.keyword, known))


@rule(
    "LVS051",
    INFO,
    "tracking",
    "A vrrp_script that nothing tracks",
    why="keepalived runs a script only if an instance or a sync group tracks it.",
    fix="Track it (track_script { NAME }), or remove it.",
    source="keepalived.conf(5), 'VRRP script(s)'",
)
def unused_script(node: Node) -> Iterator[Hit]:
    """Defined, never named."""
    used = {
        line.keyword
        for block in node.view.root.all("vrrp_instance", "vrrp_sync_group")
        for tracked in block.all("track_script")
        for line in tracked.children
    }
    for script in node.view.scripts:
        if script.name not in used:
            yield Hit(script.where, f"vrrp_script {shown(script.name)} is never run")


@rule(
    "LVS052",
    ERROR,
    "tracking",
    "A sync group of an instance that is not there",
    why="keepalived ignores the name; what is left of the group may be one instance, or none.",
    fix="Correct the name.",
    source="seen with keepalived 2.2.7: 'specified in sync group G doesn't exist - ignoring'",
)
def sync_unknown(node: Node) -> Iterator[Hit]:
    """Members against instances."""
    names = {i.name for i in node.view.instances}
    for group in node.view.sync_groups:
        for line in group.nodes:
            if line.keyword not in names:
                said = f"no vrrp_instance is called {shown(line.keyword)}"
                yield Hit(line.at, said, did_you_mean(line.keyword, names))


@rule(
    "LVS053",
    WARNING,
    "tracking",
    "A sync group of fewer than two instances",
    why="There is nothing to keep in step.",
    fix="List every instance that must be master together, or remove the group.",
    source="seen with keepalived 2.2.7: 'has only 1 virtual router(s)'",
)
def sync_single(node: Node) -> Iterator[Hit]:
    """By its list."""
    for group in node.view.sync_groups:
        if len(group.members) < 2:
            said = f"sync group {shown(group.name)} has {len(group.members)} instance(s)"
            yield Hit(group.where, said)


@rule(
    "LVS054",
    WARNING,
    "tracking",
    "A weight that a sync group takes away",
    why="In a sync group all instances must be master together, so keepalived sets the weights of "
    "what its members track to 0: a failure then is not -20, but FAULT of the whole group.",
    fix="Track it in the sync group itself, or write sync_group_tracking_weight.",
    source="keepalived.conf(5), 'VRRP synchronization group(s)'",
)
def sync_weight(node: Node) -> Iterator[Hit]:
    """Weighted tracks of members."""
    weights = {s.name: s.weight for s in node.view.scripts}
    grouped = {
        member
        for group in node.view.sync_groups
        if len(group.members) > 1 and not group.has("sync_group_tracking_weight")
        for member in group.members
    }
    for instance in node.view.instances:
        if instance.name not in grouped:
            continue
        for track in instance.tracks:
            own = weights.get(track.name, 0) if track.kind == "track_script" else 0
            weight = own if track.weight is None else track.weight
            if weight:
                yield Hit(track.node.at, f"the weight {weight} of {track.name} becomes 0")


@rule(
    "LVS055",
    WARNING,
    "tracking",
    "A script that may take longer than its interval",
    why="keepalived does not start a script again while it runs: with a timeout above the interval "
    "a hanging check is noticed after fall x timeout, not fall x interval.",
    fix="Write a timeout that is not above interval.",
    source="vrrp_script_thread() in keepalived's vrrp_scheduler.c",
    bad="interval 2\ntimeout 5",
)
def slow_script(node: Node) -> Iterator[Hit]:
    """Timeout above interval."""
    for script in node.view.scripts:
        if script.timeout is not None and script.timeout > script.interval:
            said = f"timeout {script.timeout:g} s is above interval {script.interval:g} s"
            yield Hit(script.at("timeout"), said, f"timeout {script.interval:g}")


@rule(
    "LVS056",
    WARNING,
    "tracking",
    "A priority and a weight that leave 1 to 254",
    why="keepalived keeps the effective priority within 1 to 254. Where it would go beyond, "
    "directors meet at the end of the range and the order is not what the weights say.",
    fix="Choose priorities with room for all weights.",
    source="vrrp_set_effective_priority() in keepalived's vrrp_scheduler.c",
    bad="priority 250\ntrack_script {\n    chk weight 20\n}",
)
def weight_overflow(node: Node) -> Iterator[Hit]:
    """Sums of positive and of negative weights."""
    weights = {s.name: s.weight for s in node.view.scripts}
    for instance in node.view.instances:
        own = [
            weights.get(t.name, 0) if t.weight is None and t.kind == "track_script" else t.weight
            for t in instance.tracks
        ]
        up = sum(w for w in own if w and w > 0)
        down = sum(w for w in own if w and w < 0)
        base = instance.priority
        if base < 255 and ((up and base + up > 254) or (down and base + down < 1)):
            said = f"priority {base} with these weights is {base + down} to {base + up}"
            yield Hit(instance.at("priority"), said)


@rule(
    "LVS057",
    ERROR,
    "tracking",
    "A vrrp_script without script",
    why="keepalived has nothing to run, and removes it: what tracks it tracks nothing.",
    fix='Write script "/path/to/program arguments".',
    source="vrrp_vscript_end_handler() in keepalived's vrrp_parser.c",
)
def script_without_command(node: Node) -> Iterator[Hit]:
    """No line script."""
    for script in node.view.scripts:
        if not script.has("script"):
            yield Hit(script.where, f"vrrp_script {shown(script.name)} has no script")
