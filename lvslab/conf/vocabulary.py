"""keepalived's keywords, as data: what may stand where, and what opens a block.

After keepalived.conf(5) and the install_keyword() calls of keepalived 2.2 to 2.4
(global_parser.c, vrrp_parser.c, check_parser.c, check_*.c, bfd_parser.c, track_file.c).
A word is ``keyword``, ``keyword{`` (a block of keywords of its own), ``keyword[`` (a block of
values) or ``keyword(`` (keepalived takes all words as they come).
"""

from __future__ import annotations

from functools import cache
from types import MappingProxyType

_ROOT = """
linkbeat_use_polling net_namespace net_namespace_ipvs namespace_with_ipsets use_pid_dir instance
child_wait_time global_defs{ track_group{ static_ipaddress[ static_routes[ static_rules[
vrrp_sync_group{ garp_group{ linkbeat_interfaces[ vrrp_instance{ vrrp_script{
vrrp_track_process{ interface_up_down_delays[ SSL{ virtual_server_group[ virtual_server{
bfd_instance{ track_file{ vrrp_track_file{ random_seed config_save_dir
"""
_GLOBAL = """
process_names process_name vrrp_process_name checker_process_name lvs_process_name bfd_process_name
use_symlink_paths set_supplementary_groups router_id notification_email_from smtp_server
smtp_helo_name smtp_connect_timeout notification_email[ smtp_alert startup_script
startup_script_timeout shutdown_script shutdown_script_timeout max_auto_priority
min_auto_priority_delay smtp_alert_vrrp smtp_alert_checker checker_log_all_failures
dynamic_interfaces no_email_faults default_interface disable_local_igmp lvs_timeouts lvs_flush
lvs_flush_on_stop lvs_flush_onstop lvs_sync_daemon vrrp_mcast_group4 vrrp_mcast_group6
vrrp_garp_master_delay vrrp_garp_master_repeat vrrp_garp_master_refresh
vrrp_garp_master_refresh_repeat vrrp_garp_lower_prio_delay vrrp_garp_lower_prio_repeat
vrrp_down_timer_adverts vrrp_garp_interval vrrp_gna_interval vrrp_min_garp vrrp_garp_extra_if
vrrp_vmac_garp_intvl vrrp_lower_prio_no_advert vrrp_higher_prio_send_advert vrrp_version
vrrp_iptables vrrp_ipsets nftables nftables_priority nftables_ifindex vrrp_check_unicast_src
vrrp_skip_check_adv_addr vrrp_strict vrrp_priority vrrp_no_swap vrrp_rt_priority
vrrp_cpu_affinity vrrp_rlimit_rttime vrrp_rlimit_rtime nftables_ipvs nftables_ipvs_priority
nftables_ipvs_start_fwmark nftables_counters notify_fifo notify_fifo_script vrrp_notify_fifo
vrrp_notify_fifo_script vrrp_notify_priority_changes fifo_write_vrrp_states_on_reload
lvs_notify_fifo lvs_notify_fifo_script checker_priority checker_no_swap checker_rt_priority
checker_cpu_affinity checker_rlimit_rttime checker_rlimit_rtime bfd_priority bfd_no_swap
bfd_rt_priority bfd_cpu_affinity bfd_rlimit_rttime bfd_rlimit_rtime snmp_socket enable_traps
enable_snmp_vrrp enable_snmp_keepalived enable_snmp_rfc enable_snmp_rfcv2 enable_snmp_rfcv3
enable_snmp_checker snmp_vs_stats_update_interval snmp_rs_stats_update_interval enable_dbus
dbus_service_name dbus_no_interface_name script_user enable_script_security
vrrp_netlink_cmd_rcv_bufs vrrp_netlink_cmd_rcv_bufs_force vrrp_netlink_monitor_rcv_bufs
vrrp_netlink_monitor_rcv_bufs_force process_monitor_rcv_bufs process_monitor_rcv_bufs_force
lvs_netlink_cmd_rcv_bufs lvs_netlink_cmd_rcv_bufs_force lvs_netlink_monitor_rcv_bufs
lvs_netlink_monitor_rcv_bufs_force rs_init_notifies no_checker_emails vrrp_rx_bufs_policy
vrrp_rx_bufs_multiplier vrrp_startup_delay vrrp_delay_after_boot log_unknown_vrids
vrrp_owner_ignore_adverts vmac_prefix vmac_addr_prefix umask random_seed reload_check_config
reload_time_file reload_repeat reload_file include_check config_save_dir tmp_config_directory
data_use_instance json_version iproute_usr_dir iproute_etc_dir state_dump_file stats_dump_file
json_dump_file v3_checksum_as_v2 instance net_namespace net_namespace_ipvs use_pid_dir
linkbeat_use_polling child_wait_time
"""
_NOTIFY = "notify_backup notify_master notify_fault notify_stop notify smtp_alert "
_TRACK = "track_interface[ track_script[ track_file[ track_process[ track_bfd[ "
_INSTANCE = f"""
{_NOTIFY}{_TRACK}
use_vmac use_vmac_addr vmac_xmit_base use_ipvlan unicast_peer[ unicast_fault_no_peer
check_unicast_src old_unicast_checksum native_ipv6 state interface vrf dont_track_primary
mcast_src_ip unicast_src_ip mcast_dst_ip track_src_ip virtual_router_id unicast_ttl version priority
advert_int virtual_ipaddress[ virtual_ipaddress_excluded[ no_virtual_ipaddress promote_secondaries
linkbeat_use_polling v3_checksum_as_v2 virtual_routes[ virtual_rules[ accept no_accept
skip_check_adv_addr strict_mode preempt nopreempt preempt_delay debug notify_deleted
notify_master_rx_lower_pri notify_priority_changes lvs_sync_daemon_interface garp_master_delay
garp_master_refresh garp_master_repeat garp_master_refresh_repeat garp_lower_prio_delay
garp_lower_prio_repeat down_timer_adverts timer_expired_backup thread_timer_expired garp_extra_if
vmac_garp_intvl lower_prio_no_advert higher_prio_send_advert owner_ignore_adverts
kernel_rx_buf_size authentication{{ auth_hmac{{
"""
_SERVER = """
ip_family retry delay_before_retry warmup connect_timeout delay_loop inhibit_on_failure lb_algo
lvs_sched hashed ops flag-1 flag-2 flag-3 sh-port sh-fallback mh-port mh-fallback lb_kind
lvs_method persistence_engine persistence_timeout persistence_granularity protocol ha_suspend
smtp_alert virtualhost snmp_name alpha omega quorum_up quorum_down quorum hysteresis weight
sorry_server sorry_server_inhibit sorry_server_lvs_method real_server{
"""
_REAL = """
weight lvs_method uthreshold lthreshold inhibit_on_failure notify_up notify_down alpha retry
delay_before_retry warmup connect_timeout delay_loop smtp_alert virtualhost snmp_name HTTP_GET{
SSL_GET{ TCP_CHECK{ SMTP_CHECK{ DNS_CHECK{ MISC_CHECK{ BFD_CHECK{ UDP_CHECK{ PING_CHECK{
FILE_CHECK{
"""
_COMMON = "retry delay_before_retry warmup delay_loop alpha log_all_failures "
_CONNECT = f"connect_ip connect_port bindto bind_port bind_if connect_timeout fwmark {_COMMON}"
_HTTP = f"{_CONNECT}nb_get_retry virtualhost http_protocol fast_recovery tls_compliant url{{ "

_BLOCKS = {
    "": _ROOT,
    "global_defs": _GLOBAL,
    "track_group": "group[",
    "vrrp_sync_group": f"{_NOTIFY}{_TRACK} group[ global_tracking sync_group_tracking_weight "
    "notify_priority_changes",
    "garp_group": "garp_interval gna_interval interface interfaces[",
    "vrrp_instance": _INSTANCE,
    "authentication": "auth_type auth_pass",
    "auth_hmac": "key active_key time_window anti_replay mode",
    "vrrp_script": "script interval timeout weight rise fall user init_fail",
    "vrrp_track_process": "process param_match weight quorum quorum_max delay terminate_delay "
    "fork_delay full_command",
    "track_file": "file weight init_file",
    "vrrp_track_file": "file weight init_file",
    "bfd_instance": "source_ip neighbor_ip neighbour_ip min_rx min_tx idle_tx multiplier passive "
    "ttl hoplimit max_hops multihop weight vrrp checker",
    "SSL": "password ca certificate key",
    "virtual_server": _SERVER,
    "real_server": _REAL,
    "HTTP_GET": _HTTP,
    "SSL_GET": f"{_HTTP}enable_sni sni_name",
    "TCP_CHECK": _CONNECT,
    "SMTP_CHECK": f"{_CONNECT}helo_name host{{",
    "host": f"{_CONNECT}",
    "DNS_CHECK": f"{_CONNECT}type name",
    "MISC_CHECK": f"{_COMMON}misc_path misc_timeout misc_dynamic user",
    "BFD_CHECK": "name alpha",
    "UDP_CHECK": f"{_CONNECT}payload require_reply min_reply_length max_reply_length",
    "PING_CHECK": _CONNECT,
    "FILE_CHECK": "track_file weight",
    "url": "path digest status_code virtualhost regex regex_no_match regex_options "
    "regex_min_offset regex_max_offset regex_stack tls_compliant",
}

#: Kinds of keyword: a line, a block of keywords, a block of values.
LINE, BLOCK, VALUES = "line", "block", "values"
_KIND = {"{": BLOCK, "[": VALUES}

#: What keepalived still takes, or has taken, and what to write now.
DEPRECATED: MappingProxyType[tuple[str, str], str] = MappingProxyType(
    {
        ("HTTP_GET", "nb_get_retry"): "retry",
        ("SSL_GET", "nb_get_retry"): "retry",
        ("global_defs", "lvs_process_name"): "checker_process_name",
        ("global_defs", "lvs_flush_onstop"): "lvs_flush_on_stop",
        ("global_defs", "vrrp_vmac_garp_intvl"): "vrrp_garp_extra_if",
        ("global_defs", "vrrp_rlimit_rtime"): "vrrp_rlimit_rttime",
        ("global_defs", "checker_rlimit_rtime"): "checker_rlimit_rttime",
        ("global_defs", "bfd_rlimit_rtime"): "bfd_rlimit_rttime",
        ("global_defs", "enable_snmp_keepalived"): "enable_snmp_vrrp",
        ("vrrp_instance", "vmac_garp_intvl"): "garp_extra_if",
        ("vrrp_instance", "native_ipv6"): "",
        ("vrrp_sync_group", "global_tracking"): "",
        ("", "vrrp_track_file"): "track_file",
    }
)

#: What no keepalived of today knows, though much is written that has it.
GONE: MappingProxyType[str, str] = MappingProxyType(
    {
        "nat_mask": "keepalived dropped it; a NAT service needs none",
        "lvs_id": "write router_id",
        "vrrp_garp_lower_prio": "write vrrp_garp_lower_prio_delay",
        "weight_on_failure": "write inhibit_on_failure",
        "track_ping": "write a vrrp_script that pings",
        "email": "write notification_email { ... }",
        "auth": "write authentication { ... }",
        "virtual_ip": "write virtual_ipaddress { ... }",
        "vrid": "write virtual_router_id",
        "vip": "write virtual_ipaddress { ... }",
        "peers": "write unicast_peer { ... }",
        "no_preempt": "write nopreempt",
    }
)


@cache
def keywords(block: str) -> MappingProxyType[str, str]:
    """Return the keywords of a block (``""``: the file itself), each with its kind."""
    found = {}
    for word in _BLOCKS.get(block, "").split():
        bare = word.rstrip("{[")
        found[bare] = _KIND.get(word[-1], LINE)
    return MappingProxyType(found)


def is_known(block: str) -> bool:
    """Return whether the keywords of a block are known."""
    return block in _BLOCKS


@cache
def places(keyword: str) -> tuple[str, ...]:
    """Return the blocks in which a keyword may stand."""
    return tuple(block for block in _BLOCKS if keyword in keywords(block))
