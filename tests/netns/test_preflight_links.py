"""What preflight finds on a switch of programs, kernel, UDP port and VNIs, on a real kernel."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from nornir.core import Nornir
from nornir.core.inventory import Defaults, Groups, Host, Hosts, Inventory
from nornir.core.state import GlobalState
from nornir.plugins.runners import SerialRunner

from farswitch.connections.netlink.edit_links import LinkError, finish, make_tunnel
from farswitch.connections.shell.local import LocalShell
from farswitch.deadline import Deadline, wait_until
from farswitch.errors import Obstacle, ObstaclesError
from farswitch.links.wanted_server import wanted_server
from farswitch.model.cluster import Cluster
from farswitch.model.links import Tunnel
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from tasks.preflight import preflight
from tests.netns.inside import NetnsEndpoint
from tests.netns.wires import pid, sh

pytestmark = pytest.mark.root
NETWORKS = {4: ("198.51.100.", 24), 6: ("2001:db8::", 64)}
LISTEN = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
held = socket.socket(family, socket.SOCK_DGRAM)
held.bind((sys.argv[1], 4789))
print("held", flush=True)
sys.stdin.read()
"""


@dataclass
class Switch:
    """A switch with its underlay, and a hypervisor at the other end."""

    box: LocalShell
    cluster: Cluster

    def look(self, **settings: Any) -> tuple[Obstacle, ...]:
        """Return what preflight finds."""
        chosen = self.cluster.settings.model_copy(update=settings)
        guests = tuple(replace(guest, settings=chosen) for guest in self.cluster.guests)
        cluster = replace(self.cluster, settings=chosen, guests=guests)
        host = Host("server2", defaults=Defaults())
        endpoint = NetnsEndpoint("server2", f"/proc/{pid(self.box)}/ns/net")
        host.connections["shell"] = SimpleNamespace(connection=self.box)
        host.connections["netlink"] = SimpleNamespace(connection=endpoint)
        inventory = Inventory(Hosts({"server2": host}), Groups(), Defaults())
        nornir = Nornir(inventory=inventory, runner=SerialRunner(), data=GlobalState())
        want = wanted_server(cluster, cluster.switch)
        (result,) = nornir.run(preflight, want=want)["server2"]
        if isinstance(result.exception, ObstaclesError):
            return result.exception.obstacles
        if result.exception:
            raise result.exception
        return ()

    def tunnel(self, *, port: int = 4789) -> None:
        """Make a tunnel as a build does.

        Raises:
            LinkError: The kernel refused.
        """
        sh(self.box, "ip link show br0 || ip link add br0 type bridge; ip link set br0 up")
        ends = self.cluster.switch.underlay, self.cluster.hypervisors[0].underlay
        want = Tunnel("fsv41", 41, *ends, "br0", 1400, port, alias="farswitch:t:node1",
                      altname="farswitch-t-node1-tunnel", group=0x46000029)  # fmt: skip
        sh(self.box, "ip link del fsv41 2>/dev/null || true")
        with NetnsEndpoint("server2", f"/proc/{pid(self.box)}/ns/net").session() as ipr:
            (device,), (master,) = ipr.link_lookup(ifname="u0"), ipr.link_lookup(ifname="br0")
            make_tunnel(ipr, want, device=device, master=master)
            finish(ipr, want)


@pytest.fixture
def switch(boxes: Callable[[], LocalShell]) -> Callable[..., Switch]:
    def make(version: int = 4) -> Switch:
        start, bits = NETWORKS[version]
        box, far = boxes(), boxes()
        sh(far, f"ip link add u0 type veth peer name u0 netns {pid(box)}; ip link set u0 up")
        nodad = "nodad" * (version == 6)
        sh(box, f"ip addr add {start}2/{bits} dev u0 {nodad}; ip link set u0 up")
        up = lambda: "state UP" in sh(box, "ip link show u0")  # noqa: E731
        wait_until(up, Deadline(5), what="The carrier of the underlay")
        server: Any = Server("server1", "hypervisor", "h1", ip_address(f"{start}1"))
        other: Any = Server("server2", "switch", "h2", ip_address(f"{start}2"))
        settings = Settings(cluster="t", vni_base=41)
        return Switch(
            box, Cluster(settings, (server,), other, (Guest("node1", 1, "server1", settings),))
        )

    return make


@contextlib.contextmanager
def listening(box: LocalShell, address: str) -> Iterator[int]:
    """Have a process hold the port on an address."""
    pipe = subprocess.PIPE
    argv = [*box.prefix, "python3", "-c", LISTEN, address]
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        yield process.pid
        assert process.stdin
        process.stdin.close()


def only(obstacles: tuple[Obstacle, ...]) -> Obstacle:
    assert len(obstacles) == 1, obstacles
    return obstacles[0]


def proposed(obstacle: Obstacle) -> int:
    """Return the port that a remedy proposes."""
    return int(obstacle.remedy.partition("'udp_port: ")[2].partition("'")[0])


def test_a_server_with_all_of_it_has_no_obstacle(switch):
    assert switch().look() == ()


@pytest.mark.parametrize("options", ["external", "id 7 gbp", "id 7 remcsumrx", "external gbp"])
@pytest.mark.parametrize("version", [4, 6])
def test_a_tunnel_of_another_kind_on_the_port_is_named_and_the_remedy_helps(
    switch, options: str, version: int
):
    one = switch(version)
    far = "" if "external" in options else f" remote {one.cluster.hypervisors[0].underlay} dev u0"
    sh(one.box, f"ip link add vxlan_sys_4789 type vxlan {options}{far} dstport 4789; "
       "ip link set vxlan_sys_4789 up")  # fmt: skip
    found = only(one.look())
    assert "UDP port 4789 of 'server2' is held by interface 'vxlan_sys_4789'" in found.what
    with pytest.raises(LinkError, match="in use") as refused:
        one.tunnel()
    assert "farswitch preflight" in refused.value.hint
    assert one.look(udp_port=proposed(found)) == ()
    one.tunnel(port=proposed(found))


@pytest.mark.parametrize(
    ("version", "address", "clashes"),
    [
        (4, "0.0.0.0", True),
        (4, "127.0.0.1", True),
        (4, "::", True),
        (4, "::ffff:127.0.0.1", True),
        (4, "::1", False),
        (6, "::", True),
        (6, "::1", True),
        (6, "0.0.0.0", False),
    ],
)
def test_a_process_that_has_the_port_is_named_as_far_as_it_is_in_the_way(
    switch, version: int, address: str, clashes: bool
):
    one = switch(version)
    with listening(one.box, address) as process:
        found = one.look()
        if not clashes:
            assert found == ()
            one.tunnel()
            return
        assert f"is held by process {process} ('python3" in only(found).what
        assert f"ps -fp {process}" in only(found).remedy
        with pytest.raises(LinkError, match="in use"):
            one.tunnel()
        assert one.look(udp_port=proposed(found[0])) == ()
    assert one.look() == ()


@pytest.mark.parametrize(
    "beside",
    [
        pytest.param("id 7 remote 198.51.100.1 dev u0 dstport 4789", id="plain"),
        pytest.param("id 7 dstport 4789", id="without-ends"),
        pytest.param("external dstport 8472", id="another-port"),
    ],
)
def test_a_tunnel_that_shares_the_port_is_no_obstacle(switch, beside: str):
    one = switch()
    sh(one.box, f"ip link add flannel.1 type vxlan {beside}; ip link set flannel.1 up")
    assert one.look() == ()
    one.tunnel()
    assert one.look() == ()


def test_a_tunnel_of_another_kind_that_is_down_has_no_port(switch):
    one = switch()
    sh(one.box, "ip link add vxlan_sys_4789 type vxlan external dstport 4789")
    assert one.look() == ()
    one.tunnel()


@pytest.mark.parametrize("name", ["fsv41", "fss41"])
def test_an_altname_of_ours_on_somebodys_interface_is_named(switch, name: str):
    one = switch()
    sh(one.box, f"ip link add office type bridge; ip link property add dev office altname {name}")
    found = only(one.look())
    assert f"an interface '{name}' (altname of 'office'), which is not of cluster 't'" in found.what
    assert found.foreign
    sh(one.box, f"ip link property del dev office altname {name}")
    assert one.look() == ()


@pytest.fixture
def elsewhere(switch) -> Iterator[tuple[Switch, str]]:
    """A switch, and a network namespace with a name."""
    one, name = switch(), f"fsx{os.getpid()}"
    sh(one.box, f"ip netns add {name}")
    yield one, name
    sh(one.box, f"ip netns del {name}")


TAKEN = "ip link add vx0 type vxlan id 41 dstport {port} remote 198.51.100.1 dev u0"


def test_a_vni_held_in_a_named_namespace_is_named_and_can_be_looked_at(elsewhere):
    one, name = elsewhere
    sh(one.box, f"{TAKEN.format(port=4789)}; ip link set vx0 netns {name}")
    found = only(one.look())
    assert f"VNI 41 on UDP port 4789, on 'vx0' in another network namespace: /run/netns/{name}" in (
        found.what
    )
    look = found.remedy.partition("Look: ")[2]
    assert "vxlan id 41" in sh(one.box, look)
    with pytest.raises(LinkError, match="exists") as refused:
        one.tunnel()
    assert "another network namespace" in refused.value.hint
    assert one.look(vni_base=51) == ()


def test_a_vni_held_in_a_namespace_without_a_name_is_named_by_its_process(switch, boxes):
    one, container = switch(), boxes()
    process = pid(container)
    sh(one.box, f"{TAKEN.format(port=4789)}; ip link set vx0 netns {process}")
    found = only(one.look())
    assert f"on 'vx0' in another network namespace: process {process} (" in found.what
    assert "vxlan id 41" in sh(one.box, found.remedy.partition("Look: ")[2])


def test_the_same_vni_made_in_another_namespace_is_another_one(elsewhere):
    one, name = elsewhere
    sh(one.box, f"ip netns exec {name} ip link add vx0 type vxlan id 41 dstport 4789")
    assert one.look() == ()
    one.tunnel()


def test_the_same_vni_on_another_port_in_another_namespace_is_another_one(elsewhere):
    one, name = elsewhere
    sh(one.box, f"{TAKEN.format(port=8472)}; ip link set vx0 netns {name}")
    assert one.look() == ()
    one.tunnel()


@pytest.fixture
def path_without(tmp_path: Path) -> Callable[..., LocalShell]:
    """Give a box a PATH in which programs are missing, or other ones."""

    def make(box: LocalShell, *missing: str, **instead: str) -> LocalShell:
        for folder in ("/usr/bin", "/usr/sbin"):
            for program in Path(folder).iterdir():
                link = tmp_path / program.name
                if program.name not in missing and not link.is_symlink():
                    link.symlink_to(program)
        for name, content in instead.items():
            (tmp_path / name).unlink(missing_ok=True)
            (tmp_path / name).write_text(content)
            (tmp_path / name).chmod(0o755)
        return LocalShell("server2", prefix=(*box.prefix, "env", f"PATH={tmp_path}"))

    return make


@pytest.mark.parametrize(
    ("missing", "package"),
    [
        ("ip", "iproute2"),
        ("unshare", "util-linux"),
        ("sysctl", "procps"),
        ("nft", "nftables"),
        ("python3", "python3"),
        ("find", "findutils"),
    ],
)
def test_a_program_that_is_missing_is_named_with_its_package(
    switch, path_without, missing: str, package: str
):
    one = switch()
    whole, one.box = one.box, path_without(one.box, missing)
    found = only(one.look())
    assert found.what == f"Programs are missing on 'server2': {missing}."
    assert f"apt install {package}" in found.remedy
    one.box = whole
    assert one.look() == ()


@pytest.mark.parametrize(
    ("python", "words"),
    [
        ("echo 3.6", "'python3' on 'server2' is 3.6, wanted at least 3.8."),
        (
            "echo 'error while loading shared libraries' >&2; exit 127",
            "'python3' on 'server2' does not start: error while loading shared libraries.",
        ),
    ],
)
def test_a_python_that_cannot_run_our_programs_is_named(switch, path_without, python, words):
    one = switch()
    one.box = path_without(one.box, python3=f"#!/bin/sh\n{python}\n")
    assert only(one.look()).what == words


REFUSE = """#!/bin/sh
case "$*" in *"type vxlan"*) exec /usr/sbin/ip link add probe type nosuchkind;; esac
exec /usr/sbin/ip "$@"
"""


@pytest.mark.parametrize(
    ("plant", "cause", "remedy"),
    [
        pytest.param(
            "mkdir -p /etc/modprobe.d; echo 'install vxlan /bin/false' >/etc/modprobe.d/cis.conf",
            "'/etc/modprobe.d/cis.conf' forbids its module: install vxlan /bin/false",
            "Take that line out of /etc/modprobe.d/cis.conf",
            id="forbidden",
        ),
        pytest.param("", "is not there: the kernel was upgraded", "Reboot 'server2'", id="away"),
    ],
)
def test_why_a_kernel_makes_no_tunnels_is_named(switch, path_without, plant, cause, remedy):
    one = switch()
    release = os.uname().release
    if Path("/lib/modules", release).is_dir():
        pytest.skip("This machine has its kernel's modules.")
    sh(one.box, plant or "true")
    one.box = path_without(one.box, ip=REFUSE)
    found = only(one.look())
    assert (
        f"The kernel of 'server2' ({release}) makes no vxlan: Error: Unknown device" in found.what
    )
    assert cause in found.what
    assert remedy in found.remedy


def test_root_that_may_make_no_network_namespace_is_named(switch, path_without):
    one = switch()
    deny = "#!/bin/sh\necho 'unshare: unshare failed: No space left on device' >&2\nexit 1\n"
    one.box = path_without(one.box, unshare=deny)
    assert "does not let root try" in only(one.look()).what
