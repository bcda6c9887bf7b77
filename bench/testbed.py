"""A network namespace of its own with guests in it, started by plain QEMU."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.guests import NETWORKS, RunningGuest, command, identity, is_as_wanted, kvm_works
from farswitch.connections.shell.keys import KeyPair, generate
from farswitch.deadline import Deadline, wait_until
from farswitch.image.build import BuiltImage
from farswitch.image.seed import Seed
from farswitch.image.seed_cloud_init import render
from farswitch.model.guest_file import File


@dataclass
class Testbed:
    """A namespace with one bridge a network, and a key that every guest lets in."""

    name: str
    folder: Path
    public_key: str
    guests: list[RunningGuest] = field(default_factory=list)

    def seed(
        self,
        index: int,
        files: tuple[File, ...] = (),
        units: tuple[str, ...] = (),
        mounts: tuple[str, ...] = (),
    ) -> Seed:
        """Return a new identity for guest number `index`."""
        return replace(identity(index, self.public_key, files), units=units, mounts=mounts)

    def start(
        self,
        image: BuiltImage,
        seed: Seed,
        *,
        disk: Path | None = None,
        attach: bool = True,
        size: int | None = None,
    ) -> RunningGuest:
        """Start a guest on a new overlay of the image, or again on the disk that it left.

        Args:
            image: What it boots.
            seed: Who it is.
            disk: An overlay of an earlier start.
            attach: Whether the guest gets the seed's disk.
            size: Bytes of a new overlay; the image's own when not given.
        """
        index = seed.nics[0].address.ip.packed[-1] - 10
        overlay = disk or self.folder / f"{seed.instance_id}.qcow2"
        if disk is None:
            backing = ("-b", str(image.disk), "-F", "qcow2")
            length = str(size or image.virtual_size)
            _run("qemu-img", "create", "-q", "-f", "qcow2", *backing, str(overlay), length)
        iso = self.folder / f"{seed.instance_id}.iso"
        iso.touch(mode=0o600)
        iso.write_bytes(render(seed))
        console = self.folder / f"{seed.instance_id}.console"
        machine = command(image, overlay, console, kvm=kvm_works())
        argv = ["ip", "netns", "exec", self.name, *machine]
        if attach:
            argv += ["-drive", f"file={iso},if=virtio,format=raw,readonly=on"]
        # The other way round than the seed names them: their order must not matter
        for kind, nic in reversed(list(enumerate(seed.nics))):
            tap = f"t{kind}-{index}"
            argv += ["-netdev", f"tap,id=n{kind},ifname={tap},script=no,downscript=no"]
            argv += ["-device", f"virtio-net-pci,netdev=n{kind},mac={nic.mac},romfile="]
            self._tap(tap, f"b{kind}")
        guest = RunningGuest(seed, subprocess.Popen(argv, stdin=subprocess.DEVNULL), console)
        self.guests.append(guest)
        return guest

    def run(
        self, guest: RunningGuest, *argv: str, user: str = "root"
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the guest over ssh, with its host key pinned."""
        known = self.folder / f"{guest.seed.instance_id}.known_hosts"
        known.write_text(f"{guest.address} {guest.seed.host_key_public}\n")
        options = {
            "UserKnownHostsFile": str(known),
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "IdentityFile": str(self.folder / "key"),
            "ConnectTimeout": "5",
            "KexAlgorithms": "curve25519-sha256",
        }
        words = [word for pair in options.items() for word in ("-o", "=".join(pair))]
        return subprocess.run(
            [
                *("ip", "netns", "exec", self.name, "ssh", "-F", "none", *words),
                *(f"{user}@{guest.address}", *argv),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def wait_ready(self, guest: RunningGuest, deadline: Deadline) -> None:
        """Wait for a login that finds hostname, both addresses and the MTU as the seed has them.

        Raises:
            DeadlineError: That did not happen.
            RuntimeError: QEMU ended.
        """

        def probe() -> bool:
            if guest.process.poll() is not None:
                raise RuntimeError(f"The guest ended; its console:\n{guest.console_tail()}")
            answer = self.run(guest, "hostname; ip -j -4 address")
            return answer.returncode == 0 and is_as_wanted(guest.seed, answer.stdout)

        wait_until(probe, deadline, what=f"The login to '{guest.seed.hostname}'", interval=0.2)

    def wait_all(self, guests: Sequence[RunningGuest], deadline: Deadline) -> None:
        """Wait for several guests at once; see `wait_ready`."""
        with ThreadPoolExecutor(len(guests)) as pool:
            list(pool.map(lambda guest: self.wait_ready(guest, deadline), guests))

    def stop(self) -> None:
        """End every guest."""
        for guest in self.guests:
            guest.stop()

    def _tap(self, name: str, bridge: str) -> None:
        links = json.loads(_run("ip", "-n", self.name, "-j", "link"))
        if any(link["ifname"] == name for link in links):
            return
        _run("ip", "netns", "exec", self.name, "ip", "tuntap", "add", name, "mode", "tap")
        _run("ip", "-n", self.name, "link", "set", name, "master", bridge, "up")


@contextmanager
def open_testbed(
    networks: Iterable[str] = tuple(NETWORKS.values()), keys: KeyPair | None = None
) -> Iterator[Testbed]:
    """Make a namespace with two bridges; everything in it is gone afterwards.

    Args:
        networks: The first three numbers of the data network's addresses and the management's.
        keys: The pair whose owner every guest lets in; a new one when not given.
    """
    name = f"fsbench{os.getpid()}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="farswitch-")))
        _run("ip", "netns", "add", name)
        stack.callback(_run, "ip", "netns", "delete", name)
        for kind, network in enumerate(networks):
            _run("ip", "-n", name, "link", "add", f"b{kind}", "type", "bridge")
            _run("ip", "-n", name, "address", "add", f"{network}.1/24", "dev", f"b{kind}")
            _run("ip", "-n", name, "link", "set", f"b{kind}", "up")
        pair = keys or generate("testbed")
        (folder / "key").touch(mode=0o600)
        (folder / "key").write_text(pair.private)
        bed = Testbed(name, folder, pair.public)
        stack.callback(bed.stop)
        yield bed


def _run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
