"""A libvirtd of the test's own, in namespaces with folders of its own, and what reaches it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from farswitch.connections.libvirt.plugin import Hypervisor
from farswitch.connections.shell.local import LocalShell
from farswitch.deadline import Deadline, wait_until

FOLDERS = ("/run", "/srv", "/root", "/var/lib/libvirt", "/var/log/libvirt")
MAKE = """set -e
mount -t sysfs sysfs /sys  # of this network namespace
# Without kvm: where that is of no use libvirt asks QEMU for all it can do, again and again.
mount -t tmpfs -o mode=0755 tmpfs /mnt
mkdir /mnt/net /mnt/pts /mnt/shm
for name in null zero full random urandom tty net/tun; do cp -a "/dev/$name" "/mnt/$name"; done
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts /mnt/pts
mount -t tmpfs tmpfs /mnt/shm
ln -s pts/ptmx /mnt/ptmx
ln -s /proc/self/fd /mnt/fd
mount --move /mnt /dev
mount --bind "$1" /var/cache/libvirt; shift
for folder; do mount -t tmpfs -o mode=$(stat -c %a "$folder") tmpfs "$folder"; done
cp -a /etc/libvirt /srv/etc; mount --bind /srv/etc /etc/libvirt
mkdir -p /run/lock /run/dbus /run/farswitch /var/lib/libvirt/images /var/log/libvirt/qemu
rm -rf /etc/libvirt/qemu/*.xml /etc/libvirt/qemu/networks /etc/libvirt/storage
install -d -o libvirt-qemu -g kvm -m 750 /var/lib/libvirt/qemu
cat >/etc/libvirt/qemu.conf <<'END'
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
END
touch /srv/fstab; mount --bind /srv/fstab /etc/fstab
ip link set lo up
echo ready
read -r _
"""
STATE = """
virsh -q list --all --name
virsh -q pool-list --all --name
find /srv /root /var/lib/libvirt/images /var/lib/libvirt/qemu/channel /var/log/libvirt/qemu \\
  -path /srv/etc -prune -o -printf '%p %M %U:%G\\n' | sort
"""
CLEAR = """
for domain in $(virsh -q list --name); do virsh -q destroy "$domain"; done
for domain in $(virsh -q list --all --name); do
  virsh -q undefine "$domain" --managed-save --snapshots-metadata --checkpoints-metadata
done
for pool in $(virsh -q pool-list --name); do virsh -q pool-destroy "$pool"; done
for pool in $(virsh -q pool-list --all --name); do virsh -q pool-undefine "$pool"; done
find /srv /var/lib/libvirt/images /var/log/libvirt/qemu -mindepth 1 -maxdepth 1 \\
  ! -path /srv/etc ! -path /srv/fstab -exec rm -rf {} +
"""


@dataclass
class Server:
    """A server with libvirt; `root` is its root folder as this machine sees it."""

    shell: LocalShell
    root: Path
    log: Path
    process: subprocess.Popen[bytes] | None = None
    _hypervisor: Hypervisor | None = None

    @property
    def hypervisor(self) -> Hypervisor:
        if self._hypervisor is None:
            socket = self.root / "run/libvirt/libvirt-sock"
            self._hypervisor = Hypervisor("server1", f"qemu+unix:///system?socket={socket}")
        return self._hypervisor

    def path(self, inside: str) -> Path:
        """Return a path of the server as this machine sees it; a link in it leads nowhere."""
        return self.root / inside.lstrip("/")

    def sh(self, script: str, *arguments: str, stdin: str = "") -> str:
        """Do by hand what stands in the script, as root, and return what it prints."""
        argv = ["sh", "-ec", script, "sh", *arguments]
        return self.shell.run(argv, stdin=stdin.encode()).stdout.strip()

    def start(self) -> None:
        libvirtd = shutil.which("libvirtd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        assert libvirtd, "farswitch/lab/install.sh installs libvirtd"
        self.path("/run/libvirt/libvirt-sock").unlink(missing_ok=True)
        with self.log.open("ab") as log:
            argv = [*self.shell.prefix, libvirtd]
            self.process = subprocess.Popen(argv, stdout=log, stderr=log)
        socket = self.path("/run/libvirt/libvirt-sock")
        wait_until(socket.exists, Deadline(60), what="The test's libvirtd")

    def stop(self) -> None:
        if self._hypervisor is not None:
            self._hypervisor.close()
            self._hypervisor = None
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
            self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def clear(self) -> None:
        """Remove all domains and pools, and all files of theirs."""
        self.sh(CLEAR)

    def state(self) -> list[str]:
        """Return what virsh knows, started or not, and all files that libvirt or we may make."""
        return self.sh(STATE).splitlines()


@contextlib.contextmanager
def libvirtd(log: Path, cache: Path) -> Iterator[Server]:
    """Start one, and end it with all that it started; `cache` keeps what it finds out of QEMU."""
    argv = ["unshare", "--net", "--mount", "sh", "-c", MAKE, "sh", str(cache), *FOLDERS]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        enter = ("nsenter", f"--target={holder.pid}", "--net", "--mount", "--")
        server = Server(LocalShell("server1", enter), Path(f"/proc/{holder.pid}/root"), log)
        try:
            server.start()
            yield server
            for domain in server.hypervisor.list_domains():
                server.hypervisor.destroy(domain.name)
        finally:
            server.stop()
            holder.kill()
