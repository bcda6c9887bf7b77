"""What a user would take instead: `virt-install`, cloud-init and an Ansible playbook.

`python -m bench.peer` raises the same guests on the same hypervisor, over the same bridges and
tunnels, by a build and the usual way in turns: seconds to an `mpiexec` over all of them. The image
is at the hypervisor already; it boots cloud-init and has the same packages as ours.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from bench.benchmark import Benchmark, Measures, Report
from bench.build import LIMIT, ROOT, run_workflow
from bench.guests import MTU, kvm_works
from bench.measure import Measure, in_turns, timed
from bench.plane import make_by_hand, unmake_by_hand
from bench.site import LAB, Bench, open_lab, write_site
from farswitch.connections.shell.keys import KeyPair, generate
from farswitch.errors import FarswitchError
from farswitch.image.build import BuiltImage, build
from farswitch.image.recipe import recipe
from farswitch.image.seed import Nic, Seed, User
from farswitch.image.seed_cloud_init import meta_data, network_config, user_data
from farswitch.links.wanted import MANAGEMENT_MTU
from farswitch.model.machines import Guest

WAY = Path(__file__).with_name("usual_way")
PLACE = "/var/lib/libvirt/images"
GOAL = 1.0
"""Times the usual way's that ours may take."""
PACKAGES = ("virtinst", "ansible-core")
"""Of the system; no part of farswitch needs them."""


@dataclass(frozen=True, slots=True)
class UsualWay:
    """The cluster as it is raised without farswitch."""

    bench: Bench
    image: BuiltImage
    keys: KeyPair

    @property
    def folder(self) -> Path:
        return self.bench.folder.parent / "usual_way"

    def raise_cluster(self) -> None:
        """Make the network, boot the guests, run the playbook, and run MPI over all of them."""
        guests = self.bench.cluster.guests
        make_by_hand(LAB, self.bench.cluster)
        with ThreadPoolExecutor(len(guests)) as pool:
            list(pool.map(self._boot, guests))
        playbook = ("ansible-playbook", "--inventory", "inventory.json", str(WAY / "playbook.yaml"))
        _run(playbook, cwd=self.folder)
        command = f"mpiexec.mpich -n {len(guests)} -f /etc/mpi-hosts hostname"
        check_names(self.bench, _run(self._ssh(guests[0].name, command, user="mpi")))

    def remove(self) -> None:
        """Remove guests and network."""
        for guest in self.bench.cluster.guests:
            name = guest.domain
            self._on_server(f"virsh destroy {name}; virsh undefine {name}; rm -rf {PLACE}/{name}")
        unmake_by_hand(LAB, self.bench.cluster)
        for socket in (self.folder / "logins").glob("*"):  # of logins to guests that are gone
            socket.unlink()

    def prepare(self) -> None:
        """Write what the playbook and ssh read; not part of what is timed."""
        self.folder.mkdir()
        (self.folder / "key").touch(mode=0o600)
        (self.folder / "key").write_text(self.keys.private)
        (self.folder / "ssh_config").write_text(self._ssh_config())
        (self.folder / "inventory.json").write_text(json.dumps(self._inventory(), indent=1))
        login = f"-F {self.folder / 'ssh_config'} -o ControlMaster=auto -o ControlPersist=60s"
        settings = (
            "[defaults]",
            f"home = {self.folder / 'ansible'}",
            "host_key_checking = false",
            "forks = 32",
            "[ssh_connection]",
            "pipelining = true",
            f"control_path_dir = {self.folder / 'logins'}",
            f"ssh_args = {login}",
        )
        (self.folder / "ansible.cfg").write_text("\n".join([*settings, ""]))

    def _boot(self, guest: Guest) -> None:
        settings, folder = guest.settings, f"{PLACE}/{guest.domain}"
        networks = ("--network", _network(guest.bridge, guest.data_mac, MTU),
                    "--network", _network(settings.management_bridge, guest.management_mac,
                                          MANAGEMENT_MTU))  # fmt: skip
        kind = ("kvm", "host-passthrough") if kvm_works() else ("qemu", "mode=maximum")
        argv = [guest.domain, self.image.disk, settings.disk, settings.memory, settings.vcpus]
        words = " ".join(map(str, (*argv, *kind, *networks)))
        unpack = f"mkdir -p {folder} && tar -C {folder} -xf -"
        self._on_server(f"{unpack} && sh {folder}/raise.sh {words}", self._seed(guest))

    def _seed(self, guest: Guest) -> bytes:
        """Return what the guest boots with, as a tar archive with the script that uses it."""
        host_key = generate(guest.name)
        seed = Seed(
            guest.domain,
            guest.name,
            (
                Nic("data0", guest.data_mac, guest.data_address, MTU),
                Nic("mgmt0", guest.management_mac, guest.management_address),
            ),
            host_key.private.encode(),
            host_key.public,
            (self.keys.public,),
            User("mpi", guest.settings.uid, (self.keys.public,)),
        )
        files = {
            "user-data": "#cloud-config\n" + json.dumps(user_data(seed)),
            "meta-data": json.dumps(meta_data(seed)),
            "network-config": json.dumps(network_config(seed)),
            "raise.sh": (WAY / "raise.sh").read_text(),
        }
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for name, text in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(text.encode())
                tar.addfile(entry, io.BytesIO(text.encode()))
        return archive.getvalue()

    def _inventory(self) -> dict[str, object]:
        cluster = self.bench.cluster
        head, *others = (guest.name for guest in cluster.guests)
        addresses = [f"{guest.data_address.ip} {guest.name}" for guest in cluster.guests]
        names = [guest.name for guest in cluster.guests]
        network = cluster.settings.data_network
        variables = {
            "ansible_user": "root",
            "user": "mpi",
            "private_key": self.keys.private,
            "names": "\n".join(["127.0.0.1 localhost", *addresses, ""]),
            "hostfile": "\n".join([*names, ""]),
            "exports": f"/shared {network}(rw,async,no_subtree_check)\n",
            "mount": f"{head}:/shared /shared nfs defaults,_netdev 0 0",
        }
        groups = {"head": [head], "others": others}
        children = {name: {"hosts": dict.fromkeys(some)} for name, some in groups.items()}
        return {"all": {"vars": variables, "children": children}}

    def _ssh_config(self) -> str:
        server = self.bench.cluster.servers[0]
        lines = [
            f"Host {server.name}",
            f"    HostName {server.hostname}",
            "    User root",
            f"    IdentityFile {LAB.key}",
            f"    UserKnownHostsFile {LAB.known_hosts}",
        ]
        for guest in self.bench.cluster.guests:
            lines += [
                f"Host {guest.name}",
                f"    HostName {guest.management_address.ip}",
                f"    IdentityFile {self.folder / 'key'}",
                "    StrictHostKeyChecking no",
                "    UserKnownHostsFile /dev/null",
                f"    ProxyJump {server.name}",
            ]
        return "\n".join([*lines, ""])

    def _ssh(self, host: str, command: str, user: str = "root") -> Sequence[str]:
        return ("ssh", "-F", str(self.folder / "ssh_config"), "-l", user, host, command)

    def _on_server(self, command: str, stdin: bytes = b"") -> None:
        _run(self._ssh(self.bench.cluster.servers[0].name, command), stdin)


def _network(bridge: str, mac: str, mtu: int) -> str:
    return f"bridge={bridge},mac={mac},model=virtio,mtu.size={mtu}"


def _run(argv: Sequence[str], stdin: bytes = b"", cwd: Path | None = None) -> str:
    """Run a program and return what it printed.

    Raises:
        FarswitchError: It failed.
    """
    done = subprocess.run(
        argv, input=stdin, capture_output=True, cwd=cwd, timeout=LIMIT, check=False
    )
    output = done.stdout.decode(errors="replace")
    if done.returncode != 0:
        error = done.stderr.decode(errors="replace")
        raise FarswitchError(f"'{argv[0]}' failed: {output[-2000:]}{error[-2000:]}")
    return output


def check_names(bench: Bench, printed: str) -> None:
    """Check that MPI has run on every guest.

    Raises:
        FarswitchError: It has not.
    """
    names = [guest.name for guest in bench.cluster.guests]
    if sorted(printed.split()) != sorted(names):
        raise FarswitchError(f"MPI ran on {printed.split()} instead of {names}.")


def ours(bench: Bench) -> None:
    """Build, and run MPI over all guests."""
    run_workflow("build", bench)
    guests = bench.cluster.guests
    command = f"mpiexec.mpich -n {len(guests)} hostname"
    check_names(bench, _run(("ssh", "-F", str(bench.ssh_config), guests[0].name, command)))


def measure(folder: Path, rounds: int, guests: int, report: Report) -> Measures:
    """Raise the same guests by a build, and by virt-install, cloud-init and Ansible, in turns."""
    if any(shutil.which(name) is None for name in ("virt-install", "ansible-playbook")):
        subprocess.run([str(ROOT / "farswitch/lab/install.sh"), *PACKAGES], check=True)
    image = build(recipe(), stock=True, progress=report)
    build(recipe(), progress=report)
    bench = write_site(folder, guests)
    theirs = UsualWay(bench, replace(image, disk=image.disk.resolve()), generate("usual way"))
    theirs.prepare()
    with open_lab():
        run_workflow("build", bench)  # which brings our image to the server
        run_workflow("teardown", bench, "--keep-image")
        took = in_turns(
            rounds,
            {
                "ours": lambda: timed(lambda: ours(bench)),
                "our teardown": lambda: timed(
                    lambda: run_workflow("teardown", bench, "--keep-image")
                ),
                "theirs": lambda: timed(theirs.raise_cluster),
                "their removal": lambda: timed(theirs.remove),
            },
            report,
        )
    name = f"from nothing to mpiexec over {guests} guests"
    return (Measure(name, took["ours"], "s", "virt-install, cloud-init, Ansible", took["theirs"],
                    GOAL),)  # fmt: skip


BENCHMARK = Benchmark(measure)

if __name__ == "__main__":
    BENCHMARK.main()
