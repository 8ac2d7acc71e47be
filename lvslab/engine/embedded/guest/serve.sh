#!/bin/sh
# Starts dockerd and obeys the control port: one word a line, from the host's lvslab.
#   tunnel     serve ssh on the tunnel port (a new session ends the one before)
#   clock N    set the wall clock to N seconds since the epoch
#   sync       flush the disk, answer "synced"
#   halt       stop dockerd, unmount cleanly, answer "halted", power off
port() {
    for p in /sys/class/virtio-ports/*; do
        [ "$(cat "$p/name")" = "$1" ] && { echo "/dev/${p##*/}"; return; }
    done
}
control=$(port lvslab.control) tunnel=$(port lvslab.tunnel)
exec 3<>"$control"
dockerd --log-level=warn >/dev/console 2>&1 &
dockerd=$!
until [ -S /run/docker.sock ]; do
    kill -0 $dockerd 2>/dev/null || { echo "dockerd failed" >&3; break; }
    sleep 0.1
done
echo ready >&3
ssh=
while read -r word argument <&3; do
    case $word in
    tunnel)
        [ -z "$ssh" ] || { kill -KILL "$ssh" "-$ssh" 2>/dev/null; wait "$ssh" 2>/dev/null; }
        # The port takes one opener, and what has come in is thrown away when it is closed: so
        # it is opened once, for both directions, by the process that becomes sshd.
        (
            until command exec 4<>"$tunnel"; do sleep 0.05; done 2>/dev/null
            exec setsid /usr/sbin/sshd -i -e -f /lvslab/sshd_config <&4 >&4 2>/run/sshd.log 3>&- 4>&-
        ) &
        ssh=$!
        ;;
    clock) date -s "@$argument" >/dev/null; echo "clock $argument" >&3 ;;
    sync) sync; echo synced >&3 ;;
    halt)
        kill "$dockerd"; wait "$dockerd"; pkill containerd
        sync; mount -o remount,ro / 2>/dev/null; sync
        echo halted >&3
        echo o >/proc/sysrq-trigger
        ;;
    esac
done
