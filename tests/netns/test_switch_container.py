"""A program's ports in another network namespace: the cluster's own, or that of a process."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from farswitch.deadline import Deadline, wait_until
from farswitch.errors import FarswitchError
from farswitch.model.switch import Switch, parse_switch, switch_leftovers
from farswitch.remote import command
from farswitch.remote.switch_programs import STATES
from farswitch.switches import program_host
from tasks.links_remove import links_remove
from tasks.switch_remove import switch_remove
from tests.netns.built_servers import Net, pid, sh, with_guests
from tests.netns.exchanges import (
    converged,
    exchanged,
    heard,
    holder,
    killed_at,
    timer_ended,
    with_switch,
)

pytestmark = pytest.mark.root
SCRIPT = str(Path(__file__).parents[2] / "examples/switch.py")
AT_BRIDGE = {"fsv41": "fss41", "fsv42": "fss41"}
AT_PORTS = {"fsv41": "fsn41", "fsv42": "fsn42"}
OWN = "farswitch-t"
BRIDGE = parse_switch("bridge")
EVERYBODY = "ff:ff:ff:ff:ff:ff"


def apart(container: bool | int, *words: str) -> Switch:
    about = {
        "file": SCRIPT,
        "command": [*words, "python3", "{file}", "{ports}"],
        "ready": "^ready",
        "ready_timeout": 8,
        "stop": 2,
        "container": container,
    }
    return parse_switch({"program": about})


@pytest.fixture(scope="module")
def made(lasting_boxes, tmp_path_factory) -> Iterator[Net]:
    net = with_guests(lasting_boxes, tmp_path_factory.mktemp("apart"))
    yield net
    net.task("server2", switch_remove, owner=net.cluster.owner)


@pytest.fixture
def net(made) -> Net:
    """The servers with the bridge as their switch, whatever a test before has left."""
    converged(made)
    assert spaces(made) == ""
    return made


def spaces(net: Net) -> str:
    return sh(net.boxes["server2"], "ip netns list 2>/dev/null; true")


def links(net: Net, *within: str) -> set[str]:
    shown = net.boxes["server2"].run((*within, "ip", "-br", "link")).stdout
    return {line.split()[0].partition("@")[0] for line in shown.splitlines()}


def inside(name: str = OWN) -> tuple[str, ...]:
    return ("ip", "netns", "exec", name)


@contextmanager
def container(net: Net) -> Iterator[int]:
    """Run a process in a network of its own on the switch server."""
    argv = [*net.boxes["server2"].prefix, "unshare", "--net", "sleep", "1000"]
    process = subprocess.Popen(argv)
    ours = Path(f"/proc/{pid(net.boxes['server2'])}/ns/net")
    try:
        wait_until(
            lambda: (
                not Path(f"/proc/{process.pid}/ns/net").samefile(ours)
                and Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n"
            ),
            Deadline(10),
            what="The container",
        )
        yield process.pid
    finally:
        process.kill()
        process.wait()


def test_the_clusters_own_has_the_ports_and_ends_with_the_switch(net):
    used = exchanged(net, apart(True))
    converged(used)
    assert (holder(net), heard(net)) == (AT_PORTS, True)
    assert {"fsx41", "fsx42"} <= links(net, *inside())
    assert {"fsp41", "fsx41"} & links(net) == {"fsp41"}
    assert converged(used) == []
    for name in ("server.switch", "server.drift", "server.guard", "tunnel.fdb"):
        assert used.failed(name) == [], name
    converged(exchanged(used, BRIDGE))
    assert heard(net)
    assert (spaces(net), holder(net)) == ("", AT_BRIDGE)
    assert {"fsp41", "fsx41"} & links(net) == set()


@pytest.fixture
def no_names(net: Net) -> None:
    """Have no folder of `ip netns`, as on a server that never used it."""
    sh(net.boxes["server2"], "umount /run/netns || true; rmdir /run/netns || true")
    assert not names(net)


def names(net: Net) -> str:
    """Return the folder of `ip netns`, if it is there."""
    return sh(net.boxes["server2"], "ls -d /run/netns || true")


def test_the_folder_of_all_names_goes_with_the_only_one(net, no_names):
    used = exchanged(net, apart(True))
    assert names(net)
    converged(exchanged(used, BRIDGE))
    assert heard(net)
    assert names(net) == ""


def test_the_folder_stays_as_long_as_somebody_has_a_name(net, no_names):
    box = net.boxes["server2"]
    used = exchanged(net, apart(True))
    sh(box, f"mkdir -p {STATES}/u/namespace; ip netns add farswitch-u; ip netns add theirs")
    converged(exchanged(used, BRIDGE))
    assert sorted(line.split()[0] for line in spaces(net).splitlines()) == ["farswitch-u", "theirs"]
    sh(box, "ip netns exec theirs ip link; ip netns del theirs")
    box.run(command("switch_programs", "end", "u"))
    assert names(net) == "", "the last of ours takes it away"


def test_another_program_takes_over_in_the_same_network(net):
    used = exchanged(net, apart(True))
    converged(used)
    other = exchanged(used, apart(True, "env", "A=1"))
    assert heard(net)
    converged(other)
    assert heard(net)
    assert {"fsx41", "fsx42"} <= links(net, *inside())
    assert len(program_host.programs(net.context.hosts["server2"], "t")) == 1


def test_what_is_there_besides_the_switch_hears_nothing_of_guests(net):
    used = exchanged(net, apart(True))
    converged(used)
    box, node = net.boxes["server2"], net.boxes["node1"]
    sh(box, f"ip -n {OWN} addr add 10.0.0.99/24 dev fsx41")
    sh(node, f"ip neigh replace 10.0.0.99 lladdr {EVERYBODY} dev data0")

    def answered() -> bool:
        return bool(json.loads(node.run(command("echo", "2", "10.0.0.99")).stdout))

    assert not answered()
    sh(box, f"ip netns exec {OWN} nft delete table inet farswitch_t")
    (check,) = used.failed("server.switch")
    assert "the guard's table 'farswitch_t' is not as it was made" in check.measured
    mac = net.cluster.guests[0].data_mac
    sh(box, f"ip -n {OWN} link set fsx41 arp on; "
       f"ip -n {OWN} neigh replace 10.0.0.11 lladdr {mac} dev fsx41")  # fmt: skip
    assert answered(), "without the guard it would"
    (check,) = used.failed("server.switch")
    assert "'fsx41' answers ARP" in check.measured
    converged(used)
    assert used.failed("server.switch") == []
    assert not answered()
    assert heard(net)


def test_an_mtu_there_is_judged(net):
    used = exchanged(net, apart(True))
    converged(used)
    sh(net.boxes["server2"], f"ip -n {OWN} link set fsx42 mtu 1300")
    (check,) = used.failed("server.switch")
    assert "'fsx42' has MTU 1300 instead of 1450" in check.measured
    sh(net.boxes["server2"], f"ip -n {OWN} link set fsx42 mtu 1450")
    assert used.failed("server.switch") == []


def test_a_network_that_went_is_made_anew_with_its_ports(net):
    used = exchanged(net, apart(True))
    converged(used)
    box = net.boxes["server2"]
    sh(box, f"ip netns pids {OWN} | xargs kill -9; ip netns del {OWN}")
    wait_until(lambda: "fsp41" not in links(net), Deadline(10), what="The end of the ports")
    (check,) = used.failed("server.switch")
    assert "ended with its supervisor, which was killed" in check.measured
    assert converged(used)
    assert heard(net)
    assert converged(used) == []


def test_a_container_has_the_ports_and_its_restart_gets_them_anew(net):
    with container(net) as first:
        used = exchanged(net, apart(first))
        converged(used)
        assert heard(net)
        assert {"fsx41", "fsx42"} <= links(net, "nsenter", f"--net=/proc/{first}/ns/net")
        assert converged(used) == []
    sh(net.boxes["server2"], f"test ! -e /proc/{first}")
    (check,) = used.failed("server.switch")
    assert "does not hold 'fsx41', 'fsx42'" in check.measured
    with pytest.raises(FarswitchError, match=f"there is no process {first}"):
        converged(used)
    with container(net) as second:
        again = with_switch(net, apart(second))
        assert converged(again)
        assert heard(net)
        with container(net) as third:
            assert converged(with_switch(net, apart(third)))
            assert heard(net)
            assert "fsx41" not in links(net, "nsenter", f"--net=/proc/{second}/ns/net")
            converged(net)
            assert heard(net)
            left = net.boxes["server2"].run(
                ("nsenter", f"--net=/proc/{third}/ns/net", "nft", "list", "tables")
            )
            assert left.stdout == ""


def test_the_servers_own_network_is_no_container(net):
    with pytest.raises(FarswitchError, match="is in the server's own network"):
        exchanged(net, apart(int(pid(net.boxes["server2"]))))
    assert heard(net)


def test_a_network_of_somebody_elses_is_refused_and_stays(net):
    sh(net.boxes["server2"], f"ip netns add {OWN}")
    try:
        with pytest.raises(FarswitchError, match=f"'{OWN}' is somebody else's"):
            exchanged(net, apart(True))
        converged(net)
        assert heard(net)
        assert spaces(net).split()[0] == OWN
    finally:
        sh(net.boxes["server2"], f"ip netns del {OWN}")


@pytest.mark.parametrize("point", [pytest.param("_attach", marks=pytest.mark.trial), "_enslave"])
def test_a_controller_that_is_killed_leaves_the_old_alone(net, point):
    assert killed_at(net, apart(True), point)
    assert heard(net), "at once"
    timer_ended(net)
    assert (heard(net), holder(net)) == (True, AT_BRIDGE)
    assert spaces(net) == ""
    converged(net)
    assert "fsp41" not in links(net)


def test_removal_finds_what_a_start_that_was_cut_off_has_left(net):
    box, host = net.boxes["server2"], net.context.hosts["server2"]
    sh(box, f"mkdir -p {STATES}/t/namespace && ip netns add {OWN}")
    assert switch_leftovers(host) == {"t": ["program namespace"]}
    net.task("server2", switch_remove, owner=net.cluster.owner)
    assert (spaces(net), switch_leftovers(host)) == ("", {})


def test_a_teardown_leaves_nothing(net):
    used = exchanged(net, apart(True))
    converged(used)
    net.task("server2", switch_remove, owner=net.cluster.owner)
    net.task("server2", links_remove, owner=net.cluster.owner)
    assert spaces(net) == ""
    assert not {name for name in links(net) if name.startswith("fs")}
    converged(net)
    assert heard(net)
