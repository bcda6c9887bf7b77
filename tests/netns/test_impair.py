"""Ports do to frames what was asked, on the real kernel, and are clean again after all ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from farswitch.connections.netlink.links import dump
from farswitch.deadline import Deadline, wait_until
from farswitch.errors import ConfigError, ForeignObjectError, ObstaclesError
from farswitch.impair.plan import PortWish, port_ends
from farswitch.impair.timeline import ImpairmentTimeline
from farswitch.links.plan import plan_removal
from farswitch.model.impairment import PortImpairment, impairment, parse_impairments
from farswitch.model.timeline import ImpairmentEvent
from farswitch.proof.port_figures import Way
from farswitch.rollback.confirmed_change import confirm_earlier
from tasks.impair import impair
from tests.netns.built_servers import MTU, Net, pid, sh, with_guests
from tests.netns.measured import line

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def made(lasting_boxes, tmp_path_factory) -> Iterator[Net]:
    return with_guests(lasting_boxes, tmp_path_factory.mktemp("impair"))


@pytest.fixture
def net(made) -> Iterator[Net]:
    yield made
    for server in ("server1", "server2"):
        made.task(server, impair, ends=(), owner=made.cluster.owner, present=False)


def port(**written: object) -> PortImpairment:
    ((_, found),) = parse_impairments({"node2": written})
    return found


NOTHING = PortImpairment()


def put(net: Net, server: str, wanted: PortImpairment, guest: str = "node2", **options):
    wishes = {guest: PortWish.whole(wanted)}
    ends = port_ends(net.cluster, net.cluster.server(server), wishes)
    options = {"mtu": MTU, "lab": True} | options
    return net.task(server, impair, ends=ends, owner=net.cluster.owner, **options)


def left(net: Net, server: str) -> str:
    box = net.boxes[server]
    links = json.loads(box.run(("ip", "-j", "link")).stdout)
    ours = [one["ifname"] for one in links if one["ifname"][:3] in ("fsi", "fsj", "fst")]
    tables = sh(box, "nft list tables netdev")
    return " ".join(ours) + tables + sh(box, "tc qdisc show | grep 460 || :")


DIRECTIONS = {"server2": "to_guest", "server1": "from_guest"}


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ("server2", "rate 100Mbit"),
        ("server1", "loss 1%"),
        ("server2", "delay 2ms jitter 500us"),
        ("server1", "delay 1ms loss 0.5% rate 10Mbit"),
    ],
)
def test_what_is_asked_is_there_and_a_second_run_changes_nothing(net, server, words):
    wanted = port(**{DIRECTIONS[server]: words})
    foreseen = put(net, server, wanted, dry_run=True)
    assert not left(net, server)
    first = put(net, server, wanted)
    assert first.changed
    assert first.diff == foreseen.diff
    assert str(first.result.ends["fsv42"].done) == words
    assert not put(net, server, wanted).changed
    assert "-> none" in put(net, server, NOTHING).diff
    assert not left(net, server)


def test_frames_that_are_dropped_one_by_one_are_no_super_packets(net):
    """Each drop is of a frame of the MTU, though the guest sends 64 kB at once."""
    put(net, "server2", port(to_guest="loss 2%"))
    sender, receiver = net.boxes["node1"], net.boxes["node2"]
    with closing(receiver.start(["python3", "-c", SINK, "10.0.0.12"])) as sink:
        assert line(sink) == "listens\n"
        sender.run(["python3", "-c", SOURCE, "10.0.0.12"])
        assert line(sink) == "8000000\n"
    listed = json.loads(net.boxes["server2"].run(("nft", "-j", "list", "ruleset", "netdev")).stdout)
    rules = [one["rule"]["expr"] for one in listed["nftables"] if "rule" in one]
    (dropped,) = [part["counter"] for expr in rules for part in expr if "counter" in part]
    assert dropped["packets"] > 20
    assert dropped["bytes"] / dropped["packets"] <= MTU


SINK = """
import socket, sys
server = socket.create_server((sys.argv[1], 9001))
print("listens", flush=True)
took, total = server.accept()[0], 0
while block := took.recv(1 << 16):
    total += len(block)
print(total, flush=True)
"""
SOURCE = """
import socket, sys
plug = socket.create_connection((sys.argv[1], 9001), timeout=60)
for _ in range(100):
    plug.sendall(bytes(80000))
plug.close()
"""


def test_a_foreign_qdisc_is_refused_and_stays(net):
    box = net.boxes["server2"]
    sh(box, "tc qdisc add dev fsv42 root handle 5: tbf rate 5mbit burst 16kb latency 50ms")
    try:
        with pytest.raises(ForeignObjectError, match=r"'tbf' \(5:\).*'fsv42'"):
            put(net, "server2", port(to_guest="rate 1Gbit"))
        assert not put(net, "server2", NOTHING).changed
        assert "tbf 5:" in sh(box, "tc qdisc show dev fsv42")
    finally:
        sh(box, "tc qdisc del dev fsv42 root")


def test_a_port_goes_down_and_up(net):
    assert "link up -> down" in put(net, "server2", port(link="down")).diff
    assert "DOWN" in sh(net.boxes["server2"], "ip -br link show fsv42")
    assert "link down -> up" in put(net, "server2", NOTHING).diff
    assert "UP" in sh(net.boxes["server2"], "ip -br link show fsv42 | sed s/UNKNOWN/UP/")


def test_what_a_kernel_without_netem_cannot_do_is_refused_with_the_reason(net):
    with pytest.raises(ObstaclesError, match=r"has no netem \(.*cannot corrupt, duplicate frames"):
        put(net, "server2", port(to_guest="duplicate 1% corrupt 1%"))
    with pytest.raises(ObstaclesError, match="cannot delay frames"):
        put(net, "server2", port(to_guest="delay 1ms"), lab=False)
    assert not left(net, "server2")


def test_verify_names_what_is_on_purpose_and_what_is_not(net):
    put(net, "server2", port(to_guest="delay 2ms loss 1% rate 100Mbit"))
    two = next(one for one in net.checks("server.queues") if one.host == "server2")
    assert two.ok
    assert "fsv42: delay 2ms loss 1% rate 100Mbit, on purpose" in two.measured
    for name in ("server.firewall", "server.bridges", "tunnel.ends", "server.drift"):
        assert not net.failed(name), name
    assert not net.build()
    box = net.boxes["server2"]
    sh(box, "ip link del fsi42")
    (fault,) = net.failed("server.queues")
    assert "the pair that splits its frames ('fsi42') is not there" in fault.measured
    net.follow(fault.fix)
    assert not net.failed("server.queues")


def test_a_delay_line_that_ends_lets_frames_pass(net):
    put(net, "server2", port(to_guest="delay 2ms"))
    sh(net.boxes["server2"], "ip link del fst42")
    tables = "nft list tables netdev"
    wait_until(lambda: not sh(net.boxes["server2"], tables), Deadline(10), what="The table's end")


@pytest.mark.parametrize("words", ["loss 1%", "delay 2ms", "delay 1ms loss 1% rate 10Mbit"])
def test_teardown_and_leftovers_find_all_of_it(net, words):
    put(net, "server2", port(to_guest=words))
    owner = net.cluster.owner
    with net.context.hosts["server2"].connections["netlink"].connection.session() as ipr:
        links = dump(ipr)
    assert {one.link.name for one in plan_removal(links, owner)} >= {
        name for name in ("fsi42", "fsj42", "fst42") if name in left(net, "server2")
    }
    done = net.task("server2", impair, ends=(), owner=owner, present=False)
    assert done.count == 1
    assert not left(net, "server2")


@pytest.mark.parametrize("point", ["rollback.start", "_carried_out"])
def test_a_killed_controller_leaves_clean_ports_after_the_timer(net, point):
    """What a controller has just ended when it is killed; the timer is shortened to 5 s."""
    wanted = "delay 1ms loss 1% rate 10Mbit"
    killed(net, point, wanted, seconds=5)
    armed = "ls /run/farswitch-deadman/impair-*.armed /run/farswitch-deadman/impair-*.fired"
    box = net.boxes["server2"]
    wait_until(
        lambda: not sh(box, f"{armed} 2>/dev/null || :"), Deadline(30), what="The timer's end"
    )
    assert not left(net, "server2")
    sh(box, "rm -rf /run/farswitch-deadman")


def killed(net: Net, point: str, wanted: str, *, seconds: int) -> None:
    """Have a controller impair a port, and be killed; its timer has so many seconds."""
    script = KILLED.format(
        pid=pid(net.boxes["server2"]), point=point, wanted=wanted, seconds=seconds
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL


def test_what_a_killed_controller_has_left_is_undone_by_the_next(net):
    killed(net, "_carried_out", "loss 1%", seconds=300)
    assert "fsi42" in left(net, "server2")
    assert not put(net, "server2", NOTHING).changed
    assert not left(net, "server2")
    (said,) = confirm_earlier(net.boxes["server2"], "t")
    assert "has taken it off: undone with status 0" in said
    assert not sh(net.boxes["server2"], "ls -A /run/farswitch-deadman 2>/dev/null || :")


KILLED = """
import os, signal
from ipaddress import ip_address
from types import SimpleNamespace
from nornir.core import Nornir
from nornir.core.inventory import Defaults, Groups, Host, Hosts, Inventory
from nornir.core.state import GlobalState
from nornir.plugins.runners import SerialRunner
from farswitch.connections.shell.local import LocalShell
from farswitch.errors import ConfigError, ForeignObjectError, ObstaclesError
from farswitch.impair.plan import PortEnd
from farswitch.links.plan import plan_removal
from farswitch.model.impairment import impairment
from farswitch.model.owner import Owner
from tasks import impair
from tests.netns.inside import NetnsEndpoint
impair.SECONDS = {seconds}
enter = ("nsenter", "--target={pid}", "--net", "--mount", "--")
host = Host(name="server2", defaults=Defaults())
kernel = NetnsEndpoint("server2", "/proc/{pid}/ns/net")
host.connections["netlink"] = SimpleNamespace(connection=kernel)
host.connections["shell"] = SimpleNamespace(connection=LocalShell("server2", prefix=enter))
where, _, name = "impair.{point}".rpartition(".")
place = eval(where)
before = getattr(place, name)
def dies(*words, **more):
    before(*words, **more)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(place, name, dies)
inventory = Inventory(Hosts({{"server2": host}}), Groups(), Defaults())
nornir = Nornir(inventory=inventory, runner=SerialRunner(), data=GlobalState())
ends = [PortEnd("node2", "fsv42", "to_guest", impairment("{wanted}"))]
nornir.run(impair.impair, ends=ends, owner=Owner("t", 41), lab=True)
"""


def timeline(net: Net, *events: dict[str, object], **more) -> ImpairmentTimeline:
    return ImpairmentTimeline(
        net.context.hosts, net.cluster, [ImpairmentEvent.model_validate(one) for one in events],
        mtu=MTU, lab=True, **more,
    )  # fmt: skip


def test_a_timeline_is_carried_out_by_the_servers_and_ends_as_it_began(net):
    put(net, "server1", port(from_guest="rate 100Mbit"))
    slow = {"at": "0s", "port": "node2", "from_guest": "loss 1%", "for": "500ms"}
    cut = {"at": "300ms", "port": "node2", "link": "down", "for": "100ms"}
    with timeline(net, slow, cut) as running:
        running.start()
        done = running.wait()
    assert [(one.server, one.step) for one in done] == [
        ("server1", "node2 from_guest: loss 1%"),
        ("server2", "node2 from_guest: loss 1%, link: down"),
        ("server2", "node2 from_guest: loss 1%"),
        ("server1", "node2 from_guest: rate 100Mbit"),
    ]
    assert not [one for one in done if one.error or one.began < one.at]
    assert not left(net, "server2")
    assert not put(net, "server1", port(from_guest="rate 100Mbit")).changed
    assert "UP" in sh(net.boxes["server2"], "ip -br link show fsv42 | sed s/UNKNOWN/UP/")
    assert not sh(net.boxes["server1"], "ls -A /run/farswitch-deadman 2>/dev/null || :")


def test_a_timeline_that_is_ended_early_leaves_ports_as_they_were(net):
    put(net, "server2", port(to_guest="rate 100Mbit"))
    long = {"at": "0s", "port": "node2", "to_guest": "loss 50%", "for": "600s"}
    with timeline(net, long, {"at": "599s", "port": "node1", "link": "down", "for": "1s"}) as run:
        run.start()
        box = net.boxes["server2"]
        wait_until(lambda: "fsi42" in left(net, "server2"), Deadline(20), what="The loss")
    assert not put(net, "server2", port(to_guest="rate 100Mbit")).changed
    assert not sh(box, "ls -A /run/farswitch-deadman 2>/dev/null || :")


def test_a_timeline_of_what_cannot_be_is_refused_before_anything_is_touched(net):
    with pytest.raises(ConfigError, match="'node7', which is no guest of 't'"):
        timeline(net, {"at": "0s", "port": "node7", "link": "down", "for": "1s"}).__enter__()
    doubled = {"at": "0s", "port": "node2", "to_guest": "duplicate 1%", "for": "1s"}
    with pytest.raises(ObstaclesError, match="cannot duplicate frames"):
        timeline(net, doubled).__enter__()
    assert not left(net, "server2")


def test_what_is_got_is_measured_beside_what_was_asked(net):
    way = Way(net.boxes["node1"], net.boxes["node2"], "10.0.0.12")
    before = way.round_trip()
    put(net, "server2", port(to_guest="delay 50ms"))
    assert way.round_trip() - before > 0.04
    asked = impairment("loss 20% rate 5Mbit")
    put(net, "server2", PortImpairment(to_guest=asked))
    loss = way.loss(asked, "to_guest")
    assert (loss.asked, loss.low < loss.got < loss.high) == (20, True)
    assert 5 < loss.got < 50
    assert str(loss).startswith("loss to_guest ")
    rate = way.rate(asked, "to_guest")
    assert (rate.quantity, rate.asked) == ("rate", 5)
    assert 0 < rate.got < 50
