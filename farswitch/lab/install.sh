#!/bin/sh
# Installs what farswitch, its lab, its guest image and its tests need on Debian 12 or Ubuntu 24.04.
# Silent when everything is there. Run it as root, or as a user who may use sudo. Packages that are
# given are installed as well.
set -eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C DEBIAN_FRONTEND=noninteractive

# For the program, whose libvirt module is built on the spot; for server1; for every server; for
# filters of captures; for a switch on server2; for the controller's logins; for guest images.
packages='
    python3 python3-venv python3-dev gcc pkg-config libvirt-dev make git ca-certificates
    libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients qemu-system-x86 qemu-utils
    iproute2 iptables nftables ebtables procps openssh-server sudo
    tcpdump
    openvswitch-switch
    openssh-client
    mmdebstrap e2fsprogs syslinux syslinux-common mtools dosfstools fdisk cpio zstd
'
packages="$packages $*"

log=/var/log/farswitch-install.log
policy=/usr/sbin/policy-rc.d
our_policy='#!/bin/sh
# of farswitch/lab/install.sh, which removes it at its end
exit 101'
before=

installed() {
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
        sed -n 's/^installed //p'
}

missing_packages() {
    # shellcheck disable=SC2086  # a list of words
    have=$(installed $packages)
    for package in $packages; do
        printf '%s\n' "$have" | grep -qxF "$package" || printf '%s ' "$package"
    done
}

policy_is_ours() {
    [ -f "$policy" ] && [ "$(cat "$policy")" = "$our_policy" ]
}

# Also where apt failed or was cut off: what it had configured by then is not enabled.
clean_up() {
    disable_new_units || echo "Look which services are enabled: systemctl list-unit-files" >&2
    if policy_is_ours; then
        rm -f "$policy"
    fi
    rm -f "$before"
}

# No service that a new package brings may start: this is someone's own machine. A policy of the
# machine's own is left to decide by itself.
forbid_starts() {
    if [ ! -e "$policy" ] && [ ! -L "$policy" ]; then
        printf '%s\n' "$our_policy" >"$policy"
        chmod 755 "$policy"
    fi
}

# Nor may it be enabled for the next boot. Only units that came just now are touched.
disable_new_units() {
    [ -d /run/systemd/system ] || return 0
    for package in $(installed '*' | sort | comm -13 "$before" -); do
        dpkg-query -L "$package" 2>/dev/null |
            sed -n 's#^\(/usr\)\{0,1\}/lib/systemd/system/\([^/@]*\.\(service\|socket\|timer\)\)$#\2#p'
    done | sort -u | while read -r unit; do
        if [ "$(systemctl is-enabled "$unit" 2>/dev/null)" = enabled ]; then
            systemctl disable --now --quiet "$unit" || echo "Could not disable '$unit'." >&2
        fi
    done
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "This script knows Debian and Ubuntu only. Needed are the packages: $packages" >&2
    exit 1
fi
missing=$(missing_packages)
if [ -z "$missing" ]; then
    if [ "$(id -u)" -eq 0 ] && policy_is_ours; then
        rm -f "$policy"  # a run that was killed left it
    fi
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
        echo "Root is needed to install: $missing" >&2
        echo "Run: sudo sh $0" >&2
        exit 1
    fi
    exec sudo -n sh "$0" "$@"
fi

echo "Installing packages: $missing"
before=$(mktemp)
trap clean_up EXIT
trap 'exit 1' HUP INT TERM PIPE
installed '*' | sort >"$before"
forbid_starts
# shellcheck disable=SC2086  # a list of words
if ! { apt-get update -q -q &&
    apt-get install -q -q -y --no-install-recommends -o Dpkg::Use-Pty=0 $missing; } >"$log" 2>&1
then
    tail -n 5 "$log" >&2
    echo "apt-get failed; all that it printed is in $log." >&2
    exit 1
fi
