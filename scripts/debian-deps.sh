#!/bin/sh
# Makes sure that the Debian packages lvslab needs are installed. This is the one list of them.
#
#   debian-deps.sh python   python3 with venv, if this machine's python3 cannot make one
#   debian-deps.sh browser  what opens the HTML report in a test
#   debian-deps.sh engine   what builds and runs the embedded engine
#   debian-deps.sh netns    what the tests run on this very kernel: keepalived and httpd themselves
#
# As root it installs what is missing, without questions; as anyone else it prints the command
# that does and ends with 1. Nothing missing: says nothing, ends with 0.
set -eu

# QEMU, the kernel and Docker are not among them: the engine is built from packages of its own,
# in its own folder. None of these starts a service.
ENGINE="mmdebstrap openssh-client uidmap util-linux debian-archive-keyring ca-certificates"

# Of these keepalived is a service; it is kept from starting here (below), and has no configuration
# with which it would start at the next boot.
NETNS="keepalived apache2-bin iproute2 nftables util-linux"

BROWSER="chromium chromium-driver"

missing() {
    for package in "$@"; do
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$status" = installed ] || printf '%s ' "$package"
    done
}

case "${1:-}" in
python)
    # A python3 from elsewhere is as good: ask it, not dpkg.
    if "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null; then exit 0; fi
    wanted="python3 python3-venv" ;;
engine)
    wanted=$ENGINE ;;
netns)
    wanted=$NETNS ;;
browser)
    wanted=$BROWSER ;;
*)
    echo "usage: $0 python|engine|netns|browser" >&2
    exit 2 ;;
esac

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    if [ "$1" = engine ] && command -v mmdebstrap >/dev/null; then exit 0; fi
    echo "This is not Debian: install the equivalents of these packages:" >&2
    echo "   " $wanted >&2
    exit 1
fi

# make asks for both lists at once; apt-get update gives up at once when another one runs.
if [ "$(id -u)" -eq 0 ]; then
    exec 9>/run/lvslab-apt.lock
    flock 9
fi

# shellcheck disable=SC2086  # a list of words is meant
needed=$(missing $wanted)
[ -n "$needed" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "These Debian packages are missing. Install them with:" >&2
    echo "    sudo apt-get install --no-install-recommends $needed" >&2
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
install() {
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold $needed </dev/null
}

# invoke-rc.d(8) asks this file whether a service may be started; 101 is no.
policy=/usr/sbin/policy-rc.d
if [ "$1" = netns ] && [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

echo "installing Debian packages: $needed"
# Package lists may be absent or stale on a fresh machine: update them only if that is so.
log=$(mktemp)
if ! install >"$log" 2>&1; then
    if ! { apt-get update -qq -o DPkg::Lock::Timeout=300 && install; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        echo "apt could not install: $needed" >&2
        exit 1
    fi
fi
rm -f "$log"
