# shellcheck shell=sh
# Prints what a server is, a word and a value a line: `sh preflight.sh FOLDER PROGRAM...`. FOLDER is
# that of the guests' disks.
folder=$1
shift
echo "uid $(id -u)"
for tool in "$@"; do command -v "$tool" >/dev/null || echo "missing $tool"; done
echo "memory $(awk '/^MemAvailable/ {print int($2 / 1024)}' /proc/meminfo)"
while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
echo "disk $(df --output=avail -B1M "$folder" | tail -n 1)"
# Virtualisation counts only where the processor has it: /dev/kvm alone proves nothing.
grep -qw -e vmx -e svm /proc/cpuinfo && [ -w /dev/kvm ] && echo "kvm yes"
# Links are tried in a network namespace that ends with the command.
probe() { unshare --net ip link add probe type "$@" 2>/dev/null || echo "kernel $1"; }
probe bridge
probe vxlan id 1 dstport 4789
exit 0
