"""Netlink over ssh, in a namespace that the test made; read back with `ip -j`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyroute2.netlink.exceptions import NetlinkError

from farswitch.connections.netlink.plugin import RelayEndpoint
from farswitch.connections.shell.protocol import ConnectionLostError, Process
from farswitch.connections.shell.ssh import SshShell
from farswitch.deadline import Deadline, wait_until
from tests.held import nothing_left

pytestmark = [pytest.mark.ssh, pytest.mark.root]


class Inside:
    """The shell, with each process it starts in a namespace."""

    def __init__(self, shell: SshShell, name: str) -> None:
        self.shell, self.name = shell, name

    def start(self, argv: Sequence[str]) -> Process:
        return self.shell.start(["ip", "netns", "exec", self.name, *argv])


class Instead:
    """The shell, with another program in the agent's place."""

    def __init__(self, shell: SshShell, *argv: str) -> None:
        self.shell, self.argv = shell, argv

    def start(self, argv: Sequence[str]) -> Process:
        return self.shell.start(self.argv)


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"fsrelay{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield name
    subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.fixture
def endpoint(shell, namespace) -> RelayEndpoint:
    return RelayEndpoint("server1", Inside(shell, namespace))


def links(namespace: str) -> dict[str, dict]:
    shown = subprocess.run(
        ["ip", "-n", namespace, "-j", "-d", "link"], capture_output=True, check=True
    )
    return {link["ifname"]: link for link in json.loads(shown.stdout)}


def test_a_bridge_with_a_tunnel_is_made_far_away(endpoint, namespace):
    with endpoint.session() as ipr:
        ipr.link("add", ifname="br0", kind="bridge", state="up")
        bridge = ipr.link_lookup(ifname="br0")[0]
        ipr.link(
            "add",
            ifname="vx0",
            kind="vxlan",
            vxlan_id=41,
            vxlan_group="198.51.100.2",
            vxlan_local="198.51.100.1",
            vxlan_port=4789,
            master=bridge,
        )
    found = links(namespace)
    assert found["br0"]["linkinfo"]["info_kind"] == "bridge"
    assert found["vx0"]["master"] == "br0"
    assert found["vx0"]["linkinfo"]["info_data"]["id"] == 41


def test_the_kernels_own_words_come_through(endpoint):
    with endpoint.session() as ipr:
        for name, wanted in (("vx0", None), ("vx1", "VXLAN device with the specified VNI")):
            tunnel = {"ifname": name, "kind": "vxlan", "vxlan_id": 41, "vxlan_port": 4789}
            if wanted is None:
                ipr.link("add", **tunnel)
                continue
            with pytest.raises(NetlinkError, match=wanted) as caught:
                ipr.link("add", **tunnel)
            assert caught.value.code == 17
        assert ipr.link_lookup(ifname="lo") == [1]


def test_a_thousand_links_come_in_one_dump(endpoint, namespace):
    batch = "".join(
        f"link add b{number} group 7 type vxlan id {number} dstport 4789\n"
        for number in range(1000)
    )
    subprocess.run(["ip", "-n", namespace, "-b", "-"], input=batch, text=True, check=True)
    with endpoint.session() as ipr:
        names = {link.get("ifname") for link in ipr.get_links()}
    assert {f"b{number}" for number in range(1000)} <= names
    # The kernel takes a group away in one go, a namespace's links one by one: 16 s.
    subprocess.run(["ip", "-n", namespace, "link", "del", "group", "7"], check=True)


def test_sessions_of_many_threads_do_not_mix(endpoint, namespace):
    def make(number: int) -> str:
        with endpoint.session() as ipr:
            ipr.link("add", ifname=f"b{number}", kind="bridge")
            index = ipr.link_lookup(ifname=f"b{number}")[0]
            return ipr.get_links(index)[0].get("ifname")

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(make, range(12))) == [f"b{number}" for number in range(12)]
    assert {f"b{number}" for number in range(12)} <= set(links(namespace))


def test_fifty_sessions_leave_no_descriptor_thread_or_process(endpoint, sshd):
    def agents() -> str:
        return endpoint._shell.shell.run(
            ["pgrep", "-f", "--ns", str(os.getpid()), "far end of the netlink relay"], check=False
        ).stdout

    with endpoint.session() as ipr:
        ipr.link_lookup(ifname="lo")
    with nothing_left():
        for _ in range(50):
            with endpoint.session() as ipr:
                ipr.link_lookup(ifname="lo")
    wait_until(
        lambda: not any(is_below(int(pid), sshd.process.pid) for pid in agents().split()),
        Deadline(60), what="The end of the far agents",
    )  # fmt: skip


def is_below(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


def test_a_missing_python_is_said(shell):
    endpoint = RelayEndpoint("server1", Instead(shell, "no-python3"))
    with (
        pytest.raises(ConnectionLostError, match=r"'server1'.*no-python3"),
        endpoint.session() as ipr,
    ):
        ipr.link_lookup(ifname="lo")


def test_an_agent_that_dies_says_its_last_words(shell):
    script = "head -c 4 > /dev/null; echo 'out of luck' >&2; exit 1"
    endpoint = RelayEndpoint("server1", Instead(shell, "sh", "-c", script))
    with pytest.raises(ConnectionLostError, match="out of luck"), endpoint.session() as ipr:
        ipr.link_lookup(ifname="lo")


@pytest.mark.usefixtures("never_slow")
def test_an_agent_that_says_nothing_is_an_error_in_time(shell):
    endpoint = RelayEndpoint("server1", Instead(shell, "sleep", "60"), seconds=0.5)
    said = r"no answer within 0\.5 s"
    with pytest.raises(ConnectionLostError, match=said), endpoint.session() as ipr:
        ipr.link_lookup(ifname="lo")


def failure_of(ipr) -> NetlinkError | None:
    try:
        list(ipr.get_links())
    except NetlinkError as error:
        return error
    return None


def test_a_login_that_is_killed_ends_the_session(endpoint, sshd):
    session = endpoint.session()
    ipr = session.__enter__()
    assert ipr.link_lookup(ifname="lo") == [1]
    for pid in sshd.children():
        os.kill(pid, signal.SIGKILL)
    deadline = Deadline(60)
    failure = wait_until(lambda: failure_of(ipr), deadline, what="The end of the session")
    with pytest.raises(ConnectionLostError, match="server1"):
        session.__exit__(type(failure), failure, None)


def ask_three_times(endpoint: RelayEndpoint) -> None:
    with endpoint.session() as ipr:
        for _ in range(3):
            with pytest.raises(NetlinkError):
                list(ipr.get_links())


def test_requests_after_the_agents_end_fail_too(shell):
    with pytest.raises(ConnectionLostError):
        ask_three_times(RelayEndpoint("server1", Instead(shell, "true")))
