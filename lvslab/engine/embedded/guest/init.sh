#!/bin/sh
# The guest's first process. No init system: it mounts, loads, starts dockerd, and serves.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev tmpfs /dev/shm
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs /run
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /run/sshd /run/lock
hostname lvslab
ip link set lo up
# shellcheck disable=SC2046
modprobe -a $(cat /lvslab/modules) 2>/run/modprobe.log
# A bridge that hands its frames to iptables makes two MASTERs out of one (FORWARD DROP).
sysctl -q -w net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=0 kernel.printk="3 4 1 3"
# Only while the engine is being made by an ordinary user: QEMU's user network, outwards.
if [ -e /sys/class/net/eth0 ]; then
    ip addr add 10.0.2.15/24 dev eth0 && ip link set eth0 up && ip route add default via 10.0.2.2
    echo "nameserver 10.0.2.3" >/etc/resolv.conf
fi
exec tini -s -- /lvslab/serve
