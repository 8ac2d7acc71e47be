"""The numbers that keepalived takes, by block and keyword.

After the calls of read_unsigned_strvec(), read_int_strvec() and read_decimal_unsigned_strvec() in
keepalived's global_parser.c, vrrp_parser.c, check_parser.c and check_*.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from lvslab.conf.values import number, whole
from lvslab.conf.view import CHECKS

#: Microseconds are keepalived's finest.
_TICK = 1e-6


def _text(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"


@dataclass(frozen=True, slots=True)
class Range:
    """From ``low`` to ``high``, both allowed; ``decimal``: fractions, too."""

    low: float
    high: float
    decimal: bool = False

    @property
    def text(self) -> str:
        """``1 to 255``."""
        kind = "" if self.decimal else "a whole number, "
        return f"{kind}{self._span}"

    @property
    def _span(self) -> str:
        low, high = _text(self.low), _text(self.high)
        if self.low == _TICK:
            low = "more than 0"
        if self.high >= 2**31 - 1:
            return low if self.low == _TICK else f"{low} or more"
        return f"{low}, at most {high}" if self.low == _TICK else f"{low} to {high}"

    def problem(self, text: str) -> str:
        """Return what is wrong with a value; empty where nothing is."""
        value = number(text) if self.decimal else whole(text)
        if value is None:
            return f"not {'a number' if self.decimal else 'a whole number'}"
        return "" if self.low <= value <= self.high else f"must be {self._span}"


_BIG = float(2**32)
_COUNT = Range(1, _BIG)
_ZERO = Range(0, _BIG)
_TIME = Range(_TICK, _BIG, decimal=True)
_TIME0 = Range(0, _BIG, decimal=True)
_PORT = Range(1, 65535)
_WEIGHT = Range(-253, 253)

#: Those that connect or run by themselves: they have the keywords of all checks.
_CHECKS = [kind for kind in CHECKS if kind not in ("BFD_CHECK", "FILE_CHECK")]
_INHERITED = {
    "retry": _COUNT,
    "delay_before_retry": _TIME0,
    "delay_loop": _TIME,
    "connect_timeout": _TIME,
    "warmup": _TIME0,
}

RANGES: MappingProxyType[tuple[str, str], Range] = MappingProxyType(
    {
        ("global_defs", "vrrp_version"): Range(2, 3),
        ("global_defs", "vrrp_garp_interval"): Range(_TICK, 4294, decimal=True),
        ("global_defs", "vrrp_gna_interval"): Range(_TICK, 4294, decimal=True),
        ("global_defs", "vrrp_down_timer_adverts"): Range(1, 100),
        ("global_defs", "smtp_connect_timeout"): _ZERO,
        ("global_defs", "startup_script_timeout"): Range(1, 1000),
        ("global_defs", "shutdown_script_timeout"): Range(1, 1000),
        ("global_defs", "vrrp_priority"): Range(-20, 19),
        ("global_defs", "checker_priority"): Range(-20, 19),
        ("vrrp_instance", "virtual_router_id"): Range(1, 255),
        ("vrrp_instance", "priority"): Range(1, 255),
        ("vrrp_instance", "version"): Range(2, 3),
        ("vrrp_instance", "advert_int"): Range(0.01, 255, decimal=True),
        ("vrrp_instance", "preempt_delay"): Range(0, 1000, decimal=True),
        ("vrrp_instance", "down_timer_adverts"): Range(1, 100),
        ("vrrp_instance", "unicast_ttl"): Range(0, 255),
        ("vrrp_instance", "garp_master_delay"): _ZERO,
        ("vrrp_instance", "garp_master_repeat"): _ZERO,
        ("vrrp_instance", "garp_master_refresh"): _ZERO,
        ("vrrp_script", "interval"): _TIME,
        ("vrrp_script", "timeout"): _TIME,
        ("vrrp_script", "weight"): _WEIGHT,
        ("vrrp_script", "rise"): _COUNT,
        ("vrrp_script", "fall"): _COUNT,
        ("vrrp_track_process", "weight"): Range(-254, 254),
        ("vrrp_track_process", "quorum"): Range(1, 65535),
        ("virtual_server", "persistence_timeout"): Range(1, 2678400),
        ("virtual_server", "quorum"): _COUNT,
        ("virtual_server", "hysteresis"): _ZERO,
        ("virtual_server", "weight"): Range(1, 2**31 - 1),
        ("real_server", "weight"): Range(0, 2**31 - 1),
        ("real_server", "uthreshold"): _ZERO,
        ("real_server", "lthreshold"): _ZERO,
        ("MISC_CHECK", "misc_timeout"): _TIME,
    }
    | {(b, k): r for b in ("virtual_server", "real_server") for k, r in _INHERITED.items()}
    | {(b, k): r for b in _CHECKS for k, r in _INHERITED.items() if k != "retry"}
    # MISC_CHECK and its like take 0: no second attempt.
    | {(b, "retry"): _ZERO for b in _CHECKS}
    | {(b, "connect_port"): _PORT for b in _CHECKS}
)
