"""``lvslab bounds``."""

from __future__ import annotations

from lvslab.cli.session import Session
from lvslab.cli.topologies import TopologyArgument, choose
from lvslab.cli.verb import FILES, verb


@verb(panel=FILES, json=True, order=25)
def bounds(s: Session, topology: TopologyArgument = None) -> None:
    """Print what VRRP and the checks promise for a topology, each with its formula."""
    from lvslab.timeline.promises import all_of

    chosen = choose(topology, lab=s.named_lab)
    promised = all_of(chosen.spec)
    s.out.data(promised)
    s.out.text(f"what {chosen.title} promises, from the event to its effect\n")
    of = ""
    for one in promised:
        if one.of != of:
            of = one.of
            s.out.text(f"[bold]{of}[/]")
        low, high = one.bound.low, one.bound.high
        span = f"{high:.3f} s" if low == high else f"{low:.3f} to {high:.3f} s"
        fault = f"  [dim](lvslab fail: {one.fault})[/]" if one.fault else ""
        s.out.text(f"  [cyan]{span:<19}[/] {one.what}{fault}")
        s.out.text(f"  {'':<19} [dim]= {one.bound.formula}[/]")
        s.out.text(f"  {'':<19} [dim]{one.bound.why}[/]")
    s.out.next("lvslab test --list", f"lvslab up {topology or ''}".strip())
