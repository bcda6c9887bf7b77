"""A guest that writes to its console without an end, escape codes among it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from farswitch.connections.shell.ssh import SshShell
from farswitch.connections.shell.target import Target
from farswitch.deadline import Deadline, wait_until
from farswitch.guests import console
from farswitch.guests.domain import CONSOLE_FOLDER, console_log
from farswitch.lab import container
from farswitch.lab.addresses import MEMBERS, Lab

pytestmark = [pytest.mark.trial, pytest.mark.root]

DISK = "/var/lib/libvirt/images/flood.img"
DOMAIN = f"""
<domain type='qemu'>
  <name>flood</name><memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>
    <disk type='file'><driver name='qemu' type='raw'/><source file='{DISK}'/>
      <target dev='sda' bus='sata'/></disk>
    <serial type='pty'><log file='{console_log("flood")}' append='off'/></serial>
  </devices>
</domain>"""
TEXT = b"\x1b[2J\x1b[31m\x1b]0;evil\x07Kernel panic: all is lost\r\n\0"
SECTOR = bytes.fromhex(
    "31c0 8ed8"  # xor ax, ax; mov ds, ax
    "baf803"  # mov dx, 0x3f8: the first serial port
    "be127c"  # again: mov si, text
    "ac 84c0 74f8"  # next: lodsb; test al, al; jz again
    "ee ebf8"  # out dx, al; jmp next
)
FILE = 2 << 20
"""Bytes of a file that is full (virtlogd.conf, max_size)."""
LARGEST = 5 * FILE
"""Bytes: virtlogd keeps four files (virtlogd.conf, max_backups), and may have one more in hand."""
TURNS = 6
"""Files that are filled: more than may be kept."""


@pytest.fixture
def shell(lab: Lab) -> Iterator[SshShell]:
    address = str(lab.address(MEMBERS[0]).ip)
    target = Target("server1", address, known_hosts=(lab.known_hosts,), key_file=lab.key)
    shell = SshShell(target)
    shell.write(DISK, (SECTOR + TEXT).ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20))
    yield shell
    shell.run(["virsh", "destroy", "flood"], check=False)
    shell.remove(DISK)
    shell.run(["sh", "-c", f"rm -f {CONSOLE_FOLDER}/flood*"])
    shell.close()


def test_a_console_without_end_is_bounded_on_the_disk_and_plain_on_the_screen(
    lab: Lab, shell: SshShell
) -> None:
    shell.run(["virsh", "create", "/dev/stdin"], stdin=DOMAIN)
    folder = Path(f"/proc/{container.find(lab)['server1']}/root{CONSOLE_FOLDER}")
    full = folder / "flood-console.log.0"
    seen: set[int] = set()
    for turn in range(TURNS):
        wait_until(
            lambda seen=seen: full.exists() and full.stat().st_ino not in seen,
            Deadline(60), what=f"File {turn + 1} that is full",
        )  # fmt: skip
        seen = {full.stat().st_ino}
    wait_until(lambda: console.tail(shell, "flood"), Deadline(5), what="More")
    began = time.monotonic()
    lines = console.tail(shell, "flood")
    assert time.monotonic() - began < 5
    assert 0 < len(lines) <= console.LINES
    assert set(lines[1:-1]) == {"Kernel panic: all is lost"}
    assert sum(one.stat().st_size for one in folder.glob("flood-console*")) < LARGEST
