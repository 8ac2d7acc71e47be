"""The smallest lab there is, with quick timers, for tests that make and break it often."""

LAB = "cut"
SMALL = """
name: cut
network: {subnet: 172.28.0.0/16}
directors: {lvs1: {address: 172.28.1.1}}
real_servers: {rs1: {address: 172.28.1.10}}
clients: {client: {address: 172.28.1.200}}
vrrp_instances: {VI_1: {vips: [172.28.1.100], version: 3, advert_int: 0.1}}
virtual_servers: [{vip: 172.28.1.100, delay_loop: 0.5, check: {type: HTTP_GET}}]
"""
