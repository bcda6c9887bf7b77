# shellcheck shell=sh
# Prints what keeps guests' disks out of a folder, a word and a value a line: `sh storage.sh FOLDER
# UID GID OTHER...`. UID and GID are those of QEMU, or empty; OTHER are the folders of other pools.
folder=$1 uid=$2 gid=$3
shift 3
missing=0 there=$folder
while [ ! -d "$there" ]; do
  if [ -e "$there" ] || [ -L "$there" ]; then echo "file $there"; fi
  missing=$((missing + 1)) there=$(dirname -- "$there")
done
echo "missing $missing"
made=$(cat "$folder/.farswitch" 2>/dev/null)
case $made in [0-9]) echo "made $made" ;; esac
[ -w "$there" ] || echo "readonly $there"
# Some file systems, btrfs for one, count no inodes: both figures are 0 then, or a dash.
df --output=itotal,iavail -- "$there" | awk 'NR == 2 && $1 > 0 { print "inodes " $2 }'
same() {
  [ "$(readlink -m -- "$1")" = "$(readlink -m -- "$folder")" ] ||
    { [ "$missing" -eq 0 ] && [ "$1" -ef "$folder" ]; }
}
for other; do if same "$other"; then echo "same $other"; fi; done
while read -r device where _ options _; do
  case $device in '#'*|'') continue ;; esac
  case ,$options, in *,noauto,*) continue ;; esac
  case $folder/ in "${where%/}"/*) ;; *) continue ;; esac
  where=${where%/}
  # Both files write a blank as \040; /proc has no links in its paths.
  case $where in *\\*) mounted=$where ;; *) mounted=$(readlink -m -- "${where:-/}") ;; esac
  MOUNTED=$mounted awk '$2 == ENVIRON["MOUNTED"] { there = 1 } END { exit !there }' \
    /proc/self/mounts || echo "unmounted $where"
done 2>/dev/null </etc/fstab
[ -n "$uid" ] || exit 0
groups=--clear-groups
id -un -- "$uid" >/dev/null 2>&1 && groups=--init-groups
# As QEMU runs: without capabilities, also where its user is root.
qemu() { setpriv --reuid "$uid" --regid "$gid" "$groups" --inh-caps=-all --bounding-set=-all "$@"; }
qemu true 2>/dev/null || exit 0
qemu test -x "$there" && exit 0
real=$(cd -P -- "$there" && pwd)
for dir in "$there" "$real"; do
  while :; do
    if ! (cd -- "$dir" && qemu test -x .) 2>/dev/null; then
      name=$(cd -P -- "$dir" && pwd -P)
      case $(ls -ld -- "$dir/.") in ??????????+*) echo "acl $name" ;; *) echo "blocked $name" ;; esac
    fi
    [ "$dir" != / ] || break
    dir=$(dirname -- "$dir")
  done
done
exit 0
