"""A guest whose hypervisor has no room left for what it writes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from farswitch.connections.libvirt.plugin import Hypervisor, Libvirt
from farswitch.connections.shell.plugin import ShellConnection
from farswitch.deadline import Deadline, wait_until
from farswitch.lab.addresses import MEMBERS, Lab

pytestmark = pytest.mark.root

FOLDER = "/var/lib/libvirt/images/small"
DOMAIN = f"""
<domain type='qemu'>
  <name>full</name><memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices><disk type='file'><driver name='qemu' type='qcow2'/>
    <source file='{FOLDER}/disk.qcow2'/><target dev='sda' bus='sata'/></disk></devices>
</domain>"""
SECTOR = bytes.fromhex(
    "31c0 8ec0 bb007c"  # xor ax, ax; mov es, ax; mov bx, 0x7c00
    "b80103 b90103 ba8000 cd13"  # again: write sector 1 of cylinder 3 by the BIOS
    "ebf3"  # jmp again
)
MAKE = """set -e
mkdir -p "$1"
mount -t tmpfs -o size=1m small "$1"
cat >"$1/raw"
truncate -s 64M "$1/raw"
qemu-img convert -f raw -O qcow2 "$1/raw" "$1/disk.qcow2"
rm "$1/raw"
chmod 777 "$1"
dd if=/dev/zero of="$1/filler" bs=4k 2>/dev/null || true
"""


@pytest.fixture
def hypervisor(lab: Lab) -> Iterator[Hypervisor]:
    extras = {"name": "server1", "known_hosts": lab.known_hosts, "key_file": lab.key}
    address = str(lab.address(MEMBERS[0]).ip)
    opener, plugin = ShellConnection(), Libvirt()
    opener.open(hostname=address, username="root", extras=extras)
    shell = opener.connection
    shell.run(["sh", "-c", MAKE, "make", FOLDER], stdin=SECTOR.ljust(510, b"\0") + b"\x55\xaa")
    plugin.open(hostname=address, username="root", extras=extras)
    yield plugin.connection
    plugin.connection.destroy("full")
    plugin.connection.undefine("full")
    plugin.close()
    shell.run(["sh", "-c", f"umount {FOLDER}; rmdir {FOLDER}; rm -f /var/log/libvirt/qemu/full*"])
    opener.close()


def test_a_guest_that_a_full_disk_stopped_is_known_as_such(hypervisor: Hypervisor) -> None:
    hypervisor.define(DOMAIN)
    hypervisor.start("full")

    def stopped() -> bool:
        state = hypervisor.domain("full")
        assert state is not None
        return state.state == "paused"

    wait_until(stopped, Deadline(60), what="The pause of the guest")
    state = hypervisor.domain("full")
    assert state is not None
    assert state.disk_failed
