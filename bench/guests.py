"""Who a guest of a benchmark is, how QEMU starts it, and when it is ready."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path

from farswitch.connections.shell.keys import generate
from farswitch.guests.domain import TB_CACHE_MIB
from farswitch.image.build import BuiltImage
from farswitch.image.seed import Nic, Seed, User
from farswitch.lab.filesystems import virtualises
from farswitch.model.guest_file import File
from farswitch.model.settings import Settings

MTU = 1450
"""What VXLAN leaves of 1500 (RFC 7348: 50 bytes over IPv4)."""
NETWORKS = {"data0": "10.0.0", "mgmt0": "10.10.0"}
HARDWARE = Settings(cluster="bench")
"""A cluster's defaults: what a guest gets of memory and processors."""


@dataclass
class RunningGuest:
    """A running guest; `address` is its management address."""

    seed: Seed
    process: subprocess.Popen[bytes]
    console: Path

    @property
    def address(self) -> str:
        return str(self.seed.nics[1].address.ip)

    def console_tail(self, lines: int = 15) -> str:
        """Return the end of what the guest wrote to its serial console."""
        text = self.console.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def stop(self) -> None:
        """End the guest as a power cut does."""
        self.process.kill()
        self.process.wait()


def identity(index: int, key: str, files: tuple[File, ...] = ()) -> Seed:
    """Return a new identity for guest number `index`, which lets `key` in."""
    host_key = generate(f"node{index}")
    hosts = "127.0.0.1 localhost\n" + "".join(
        f"10.0.0.{10 + number} node{number}\n" for number in range(1, 10)
    )
    return Seed(
        instance_id=f"bench-{index}-{os.urandom(4).hex()}",
        hostname=f"node{index}",
        nics=tuple(
            Nic(
                name,
                f"02:fa:0{kind}:00:00:{index:02x}",
                IPv4Interface(f"{network}.{10 + index}/24"),
                MTU if name == "data0" else None,
            )
            for kind, (name, network) in enumerate(NETWORKS.items())
        ),
        host_key=host_key.private.encode(),
        host_key_public=host_key.public,
        root_keys=(key,),
        user=User("mpi", 2000, (key,)),
        files=(File("/etc/hosts", hosts.encode()), *files),
    )


def kvm_works() -> bool:
    """Return whether QEMU can use KVM here, as preflight finds out of a server."""
    return virtualises() and os.access("/dev/kvm", os.W_OK)


def command(image: BuiltImage, disk: Path, console: Path, *, kvm: bool) -> list[str]:
    """Return what starts QEMU; the same hardware whatever the image, and as in `tasks.domain`."""
    accelerator = ["kvm", "-cpu", "host"] if kvm else [f"tcg,tb-size={TB_CACHE_MIB}", "-cpu", "max"]
    argv = ["qemu-system-x86_64", "-nodefaults", "-no-user-config"]
    argv += ["-machine", "q35", "-accel", *accelerator]
    argv += ["-smp", str(HARDWARE.vcpus), "-m", str(HARDWARE.memory)]
    argv += ["-display", "none", "-serial", f"file:{console}"]
    argv += ["-drive", f"file={disk},if=virtio,format=qcow2"]
    if image.kernel:
        argv += ["-kernel", str(image.kernel), "-initrd", str(image.initrd)]
        argv += ["-append", image.cmdline]
    return argv


def is_as_wanted(seed: Seed, answer: str) -> bool:
    """Compare what `hostname; ip -j -4 address` printed with the seed."""
    hostname, _, links = answer.partition("\n")
    have = {link["ifname"]: link for link in json.loads(links)}
    return hostname == seed.hostname and all(
        nic.name in have
        and str(nic.address.ip) in {a["local"] for a in have[nic.name]["addr_info"]}
        and have[nic.name]["mtu"] == (nic.mtu or 1500)
        for nic in seed.nics
    )
