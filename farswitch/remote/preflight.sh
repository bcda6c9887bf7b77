# shellcheck shell=sh
# Prints what a server is, a word and a value a line: `sh preflight.sh INTERFACES FOLDER PORT
# PROGRAM...`. INTERFACES is the text of interfaces.py, FOLDER that of the guests' disks, PORT the UDP
# port of the tunnels.
interfaces=$1 folder=$2 port=$3
shift 3
echo "uid $(id -u)"
# os-release(5): "debian", "ubuntu debian", "rhel fedora", ...
echo "system $(sed -n 's/^ID\(_LIKE\)\{0,1\}=//p' /etc/os-release 2>/dev/null | tr -d "\"'" | tr '\n' ' ')"
for tool in "$@"; do command -v "$tool" >/dev/null || echo "missing $tool"; done
echo "python $(python3 -IS -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>&1 | tail -n 1)"
python3 -IS -c "$interfaces" 2>/dev/null
for filter in nft iptables; do
    command -v "$filter" >/dev/null && echo "version $filter $("$filter" --version 2>/dev/null | head -n 1)"
done
[ -x /usr/libexec/platform-python ] && echo "python-elsewhere /usr/libexec/platform-python"
echo "memory $(($(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024))"
while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
echo "disk $(df --output=avail -B1M "$folder" | tail -n 1)"
# What guests can be pinned to: processors and NUMA nodes that are on, and huge pages of the default
# size that nobody has; with their size in kB, and by node.
echo "processors $(cat /sys/devices/system/cpu/online 2>/dev/null)"
echo "nodes $(cat /sys/devices/system/node/online 2>/dev/null)"
huge=$(sed -n 's/^Hugepagesize: *\([0-9]*\) kB/\1/p' /proc/meminfo)
echo "hugepages all ${huge:-0} $(sed -n 's/^HugePages_Free: *//p' /proc/meminfo)"
for free in /sys/devices/system/node/node*/hugepages/"hugepages-${huge}kB"/free_hugepages; do
    [ -r "$free" ] || continue
    node=${free#*/node/node}
    echo "hugepages ${node%%/*} $huge $(cat "$free")"
done
# Virtualisation counts only where the processor has it: /dev/kvm alone proves nothing.
grep -qw -e vmx -e svm /proc/cpuinfo && [ -w /dev/kvm ] && echo "kvm yes"

# What the kernel can is tried in network namespaces that end with the commands.
try() { # NAME COMMAND...
    name=$1
    shift
    command -v unshare >/dev/null && command -v "$1" >/dev/null || return
    said=$(unshare --net "$@" 2>&1) || echo "kernel $name $(echo "$said" | head -n 1)"
}
chain='{ type filter hook prerouting priority 0; }'
try bridge ip link add probe type bridge
try vxlan ip link add probe type vxlan id 1 dstport 4789
try nftables nft "add table bridge probe; add chain bridge probe probe $chain"
echo "release $(uname -r)"
[ -d "/lib/modules/$(uname -r)" ] || echo "modules away"
[ "$(cat /proc/sys/kernel/modules_disabled 2>/dev/null)" = 1 ] && echo "modules disabled"
for module in bridge vxlan nf_tables; do # modprobe.d(5)
    rule=$(grep -sE "^[[:space:]]*(install|blacklist)[[:space:]]+${module}([[:space:]]|\$)" \
        /etc/modprobe.d/*.conf /run/modprobe.d/*.conf /usr/lib/modprobe.d/*.conf | head -n 1)
    [ -n "$rule" ] && echo "forbidden $module $rule"
done

comm() { tr -dc '[:print:]' <"/proc/$1/comm"; }

# Sockets of the tunnels' port: proc(5), /proc/net/udp; in hexadecimal. A process may hold them.
hex=$(printf %04X "$port")
for family in udp udp6; do
    [ -r "/proc/net/$family" ] || continue
    while read -r _ address _ _ _ _ _ _ _ inode _; do
        [ "${address##*:}" = "$hex" ] || continue
        holder=$(find /proc/[0-9]*/fd -maxdepth 1 -lname "socket:\\[$inode\\]" 2>/dev/null | head -n 1)
        holder=${holder#/proc/}
        holder=${holder%%/*}
        echo "socket $family ${address%:*} ${holder:-0} $([ -n "$holder" ] && comm "$holder")"
    done <"/proc/net/$family"
done
echo "ports $(sed -n 's/^ *[0-9]*: [0-9A-F]*:\([0-9A-F]*\) .*/\1/p' /proc/net/udp /proc/net/udp6 2>/dev/null | sort -u | tr '\n' ' ')"

# VXLAN interfaces that are in another network namespace and were made in this one: here their VNIs
# are taken. A namespace is a mount, or that of a process.
here=$(stat -Lc %i /proc/self/ns/net)
{
    sed -n 's|^[0-9]* [0-9]* [0-9:]* net:\[\([0-9]*\)\] \([^ ]*\) .*|\1 \2|p' /proc/self/mountinfo
    stat -Lc '%i %n' /proc/[0-9]*/ns/net 2>/dev/null
} | sort -u -k 1,1 | while read -r inode path; do
    [ "$inode" = "$here" ] && continue
    net=$path
    process=${path#/proc/}
    process=${process%%/*}
    [ "$path" = "/proc/$process/ns/net" ] && path="process $process ($(comm "$process"))"
    nsenter "--net=$net" ip -o -d link show type vxlan 2>/dev/null </dev/null |
        grep link-netnsid |
        sed -n 's/^[0-9]*: \([^:@ ]*\).* vxlan id \([0-9]*\) .*dstport \([0-9]*\) .*/\2 \3 \1/p' |
        while read -r vni; do echo "vni $vni $path"; done
done
exit 0
