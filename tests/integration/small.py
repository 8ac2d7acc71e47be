"""The smallest lab there is, with quick timers, for tests that make and break it often.

And what labs of several kinds of service have in common: all but their virtual servers.
"""

LAB = "cut"
#: Where Docker has its own network, unless it is told: the embedded engine has it elsewhere.
SMALL = """
name: cut
network: {subnet: 172.17.0.0/16}
directors: {lvs1: {address: 172.17.1.1}}
real_servers: {rs1: {address: 172.17.1.10}}
clients: {client: {address: 172.17.1.200}}
vrrp_instances: {VI_1: {vips: [172.17.1.100], version: 3, advert_int: 0.1}}
virtual_servers: [{vip: 172.17.1.100, delay_loop: 0.5, check: {type: HTTP_GET}}]
"""

VIP = "172.29.1.100"


def head(name: str, directors: int) -> str:
    """Return a topology of two real servers behind the VIP, without its virtual servers."""
    own = ", ".join(f"lvs{n}: {{address: 172.29.1.{n}}}" for n in range(1, directors + 1))
    return f"""
name: {name}
network: {{subnet: 172.29.0.0/16}}
directors: {{{own}}}
real_servers: {{rs1: {{address: 172.29.1.10}}, rs2: {{address: 172.29.1.11}}}}
clients: {{client: {{address: 172.29.1.200}}}}
vrrp_instances: {{VI_1: {{vips: [{VIP}], version: 3, advert_int: 0.1}}}}
"""
