"""Of 100 guests: what `status` and `graph` say is the servers' own, in one look at each of them.

Their tunnels are real, their virtual machines are defined and three of them started, which stand
still: no guest boots.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from bench.measure import timed
from bench.status import define, make_network
from farswitch.connections.shell.login import Login
from farswitch.connections.shell.ssh import SshShell
from farswitch.connections.shell.target import Target
from farswitch.deadline import Deadline, wait_until
from farswitch.lab import control
from farswitch.lab.addresses import Lab
from farswitch.run.cli import Options
from farswitch.run.session import Session
from tests.lab.clusters import ClusterUnderTest
from tests.lab_containers.desk import difference, snapshot
from tests.lab_containers.measured import measure
from workflows.look import look
from workflows.status import drift

pytestmark = [pytest.mark.trial, pytest.mark.root]

GUESTS, STARTED = 100, 3
INTERRUPTED = 130
BAD = "#cf222e"
SWITCH = "fss5401"
VERBS = {"running": 1, "paused": 3, "shut off": 5}
"""virDomainState, as `virsh domstats` prints it."""
SEND = """
import socket, sys
for number in range(int(sys.argv[1])):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        raw.bind((f"fsv{5401 + number}", 0))
        for _ in range(number + 1):
            raw.send(bytes.fromhex("ffffffffffff02fa000000ff88b5").ljust(100, b"x"))
"""
"""So many frames through each tunnel as its place in the row."""
FAULTS = """
ip link set fsv5402 down
ip link set fsv5403 nomaster
ip link del fsv5404
ip link set fsv5405 mtu 1300
"""


@pytest.fixture(scope="module")
def many(own_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """Return the cluster: all that a build makes on servers, and machines that stand still."""
    control.up(own_lab)
    folder = tmp_path_factory.mktemp("many")
    cluster = ClusterUnderTest("fssm", 5401, "10.94.4", "10.95.4", own_lab, folder, size=GUESTS)
    cluster.write_site()
    made = make_network(Options(site=str(cluster.site), log=str(folder / "network.log")))
    names = [guest.domain for guest in made.guests]
    define(own_lab, names, names[:STARTED])
    yield cluster
    forget = [f"destroy {name}" for name in names[:STARTED]] + [f"undefine {one}" for one in names]
    cluster.on("server1", ["virsh", "-q"], stdin="\n".join([*forget, "quit\n"]))
    cluster.good("teardown")


def links(cluster: ClusterUnderTest) -> dict[str, dict[str, Any]]:
    """Return the switch's interfaces as `ip` prints them."""
    printed = cluster.on("server2", ["ip", "-j", "-d", "-s", "link"])
    return {one["ifname"]: one for one in json.loads(printed)}


def machines(cluster: ClusterUnderTest) -> dict[str, dict[str, str]]:
    """Return what virsh knows of each virtual machine."""
    found: dict[str, dict[str, str]] = {}
    for line in cluster.on("server1", ["virsh", "domstats"]).splitlines():
        key, _, value = line.strip().partition("=" if "=" in line else ": ")
        if key == "Domain":
            found[value.strip("'")] = own = {}
        elif value:
            own[key] = value
    return found


def port_of(link: dict[str, Any] | None) -> str:
    """Return what `ip` says of a guest's port, in the words of `status`."""
    if link is None:
        return "missing"
    if link.get("master") != SWITCH:
        return "in no bridge"
    forwards = link["linkinfo"]["info_slave_data"]["state"] == "forwarding"
    return "up" if {"UP", "LOWER_UP"} <= set(link["flags"]) and forwards else "down"


def test_every_figure_of_each_is_the_servers_own(many: ClusterUnderTest) -> None:
    many.on("server1", ["python3", "-c", SEND, str(GUESTS)])
    many.on("server2", ["sh", "-ec", FAULTS])
    before, run = links(many), machines(many)
    told = many.good("status").document
    after, later = links(many), machines(many)
    assert [guest["name"] for guest in told["guests"]] == [f"node{at}" for at in range(1, 101)]
    words = Counter()
    for number, guest in enumerate(told["guests"]):
        port, domain = f"fsv{5401 + number}", f"fssm-{guest['name']}"
        link = before.get(port)
        assert guest["port"] == port_of(link), port
        words[guest["port"]] += 1
        assert str(VERBS[guest["state"]]) == run[domain]["state.state"]
        if link is None:
            assert (guest["mtu"], guest["traffic"]) == (None, None)
            continue
        assert guest["mtu"] == link["mtu"]
        for way, short in (("received", "rx"), ("sent", "tx")):
            least, most = (one[port]["stats64"][short] for one in (before, after))
            assert least["bytes"] <= guest["traffic"][way] <= most["bytes"]
            packets = guest["traffic"][f"{way}_packets"]
            assert least["packets"] <= packets <= most["packets"]
        if guest["port"] == "up":
            assert guest["traffic"]["received_packets"] > number, "what was sent has arrived"
        if number < STARTED:
            least, most = (int(one[domain]["cpu.time"]) / 1e9 for one in (run, later))
            assert least <= guest["processor"] <= most
            kept = [int(one[domain]["balloon.rss"]) << 10 for one in (run, later)]
            assert min(kept) <= guest["memory"] <= max(kept)
    assert words == {"up": 97, "down": 1, "in no bridge": 1, "missing": 1}
    drifts = {server["name"]: server["drift"] for server in told["servers"]}
    assert drifts["server1"] == []
    assert {word for line in drifts["server2"] for word in line.split() if word[:3] == "fsv"} == {
        "fsv5402", "fsv5403", "fsv5404", "fsv5405",
    }  # fmt: skip


@dataclass
class Asked:
    """How often the hosts were logged in to, and how many commands and programs began there."""

    logins: Counter[str] = field(default_factory=Counter)
    began: Counter[str] = field(default_factory=Counter)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    found = Asked()
    log_in, begin = Login.__init__, SshShell._begin

    def logged_in(self: Login, target: Target) -> None:
        found.logins[target.host] += 1
        log_in(self, target)

    def begun(self: SshShell, *arguments: Any) -> Any:
        found.began[self.host] += 1
        return begin(self, *arguments)

    monkeypatch.setattr(Login, "__init__", logged_in)
    monkeypatch.setattr(SshShell, "_begin", begun)
    return found


def test_a_look_is_one_netlink_program_a_server_and_no_login_to_a_guest(
    many: ClusterUnderTest, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(many.state))
    wanted = {}
    for nodes in (GUESTS, 2):
        options = Options(site=str(many.site), nodes=nodes, dry_run=True)
        with Session("status", options, quiet=True) as session:
            session.read_record()
            asked.began.clear()
            asked.logins.clear()
            assert look(session).keys() == {"server1", "server2"}
            if nodes == GUESTS:
                # On the hypervisor: the age of QEMU's processes and, by a login of its own, libvirt
                assert asked.began == {"server1": 3, "server2": 1}
                assert asked.logins == {"server1": 1, "server2": 1}
            drift(session)
            wanted[nodes] = asked.began.copy()
    assert wanted[GUESTS] == wanted[2]
    assert asked.logins.keys() <= {"server1", "server2"}


def test_the_picture_has_the_ports_that_are_down_by_themselves(many: ClusterUnderTest) -> None:
    many.on("server2", ["ip", "link", "set", "fsv5450", "down"])
    drawn = many.good("graph", "--format", "dot").document["picture"]
    found = links(many)
    state = port_of(found["fsv5450"])
    assert state == "down"
    assert f'label="fsv5450: {state}" color="{BAD}"' in drawn


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT], ids=["kill", "Ctrl-C"])
@pytest.mark.parametrize(
    "words", [("status", "--watch", "--interval", "0.2"), ("graph",)], ids=["status", "graph"]
)
def test_one_that_is_cut_off_leaves_nothing_on_the_servers(
    many: ClusterUnderTest, words: tuple[str, ...], by: signal.Signals
) -> None:
    whole = timed(lambda: many.good("graph"))
    before, rules = measure(many.lab), snapshot(many.lab)
    cut = [cut_off(many, words, by, whole * moment / 8) for moment in (2, 4, 6)]
    assert any(cut)
    wait_until(lambda: measure(many.lab) == before, Deadline(20), what="The end of what was begun")
    assert difference(rules, snapshot(many.lab)) == []


def cut_off(
    cluster: ClusterUnderTest, words: tuple[str, ...], by: signal.Signals, seconds: float
) -> bool:
    """Run a command as a user does, for some seconds; return whether it was ended by the signal."""
    workflow, *options = words
    process = cluster.start(workflow, *options, "--json")
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.send_signal(by)
    return process.wait(30) in {-by, INTERRUPTED}
