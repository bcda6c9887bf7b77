"""What guests send each other crosses the switch on server2, and goes no other way."""

from collections.abc import Iterator

import pytest

from farswitch.deadline import Deadline, wait_until
from tasks.checks.mpi import pairs
from tests.lab.clusters import ClusterUnderTest
from tests.lab.guests import UNPINNED, counted, mpiexec, names, ring

pytestmark = [pytest.mark.lab, pytest.mark.root]

PAYLOAD = 4_000_000
THREE_PAIRS = 3 * 2 * pairs.PAYLOAD
END_ALL = (
    "for one in /proc/[0-9]*; do"
    ' [ "$(stat -c %U $one 2>&1)" != mpi ] || kill -KILL ${one#/proc/}; done'
)
"""Ends the user's processes: a launcher's ssh outlives it, and what that starts when it gets
through joins the next job, on the same port."""
SSHD = "/etc/ssh/sshd_config.d/farswitch.conf"


@pytest.fixture
def switch_down(built: ClusterUnderTest) -> Iterator[None]:
    bridge = f"fss{built.vni}"
    built.on("server2", ["ip", "link", "set", bridge, "down"])
    yield
    built.on("server2", ["ip", "link", "set", bridge, "up"])


@pytest.fixture
def leaky_management(built: ClusterUnderTest) -> Iterator[None]:
    """Take the guard and the ports' isolation away, so that guests meet on management."""
    taps = [f"fsm{built.vni + index}" for index in range(3)]
    for family in ("inet", "bridge"):
        built.on("server1", ["nft", "delete", "table", family, "farswitch_fst"])
    for tap in taps:
        built.on("server1", ["bridge", "link", "set", "dev", tap, "isolated", "off"])
    yield
    for tap in taps:
        built.on("server1", ["bridge", "link", "set", "dev", tap, "isolated", "on"])
    built.good("build")
    assert "table bridge farswitch_fst" in built.on("server1", ["nft", "list", "tables"])


def carried(built: ClusterUnderTest, *, under: str = "") -> tuple[list[int], list[int]]:
    """Return the bytes that each guest's two NICs carried for a message around all guests."""
    guests = built.guests()
    nics = ("data0", "mgmt0")
    before = [counted(guests, nic) for nic in nics]
    ring(guests, PAYLOAD, under=under)
    after = [counted(guests, nic) for nic in nics]
    data, management = (
        [new - old for old, new in zip(*both, strict=True)]
        for both in zip(before, after, strict=True)
    )
    return data, management


def test_payload_uses_the_data_nic_alone(built: ClusterUnderTest) -> None:
    data, management = carried(built)
    assert min(data) > 2 * PAYLOAD
    assert max(management) < PAYLOAD / 20


def test_payload_that_is_not_pinned_is_seen_on_management(
    built: ClusterUnderTest, leaky_management: None
) -> None:
    """The test above can fail: without pins, and with a way, half of the payload goes there."""
    assert built.guest(1).pings("10.99.0.12", "-I mgmt0")
    data, management = carried(built, under=UNPINNED)
    assert min(management) > PAYLOAD / 2
    assert min(data) < 2 * PAYLOAD


@pytest.fixture
def pinned_to_management(built: ClusterUnderTest, leaky_management: None) -> None:
    for guest in built.guests():
        guest.root(f"sed -i s/UCX_NET_DEVICES=data0/UCX_NET_DEVICES=mgmt0/ {SSHD}")
        guest.root("systemctl reload ssh")
    for guest in built.guests():  # sshd closes its port while it starts itself anew
        wait_until(guest.answers, Deadline(60), what=f"A login to {guest.name}")


def test_payload_on_the_management_nic_fails_the_proof_and_the_fix_mends_it(
    built: ClusterUnderTest, pinned_to_management: None
) -> None:
    told = built.run("verify", "--only", "mpi,path")
    assert told.status == 1, told.said
    everyone = {"node1", "node2", "node3"}
    failed = {
        name: {check["host"] for check in told.failed_checks() if check["name"] == name}
        for name in ("mpi.nic", "mpi.ports", "path.counters", "path.nics", "path.management")
    }
    assert failed == dict.fromkeys(failed, everyone)
    crossed, wanted = told.crossed()
    assert crossed < PAYLOAD / 100 < THREE_PAIRS <= wanted
    (fix,) = {check["fix"] for check in told.failed_checks() if check["name"] == "path.counters"}
    built.follow(fix)
    crossed, wanted = built.good("verify", "--only", "mpi,path").crossed()
    assert crossed == wanted >= THREE_PAIRS


def test_guests_lose_each_other_with_the_switch_and_find_each_other_again(
    built: ClusterUnderTest, request: pytest.FixtureRequest
) -> None:
    node1, node2, node3 = built.guests()
    assert node1.pings(node2.address)
    request.getfixturevalue("switch_down")
    assert not node1.pings(node2.address)
    assert not node3.pings(node1.address)
    launch = mpiexec([node1, node2], "hostname", ranks=4)
    assert node1.run(launch, seconds=8).returncode != 0
    node1.root(END_ALL)
    built.on("server2", ["ip", "link", "set", f"fss{built.vni}", "up"])
    wait_until(lambda: node1.pings(node2.address), Deadline(60), what="An answer of node2")
    assert names(built.guests()) == ["node1", "node2", "node3"]


def test_guests_do_not_reach_each_other_over_management(built: ClusterUnderTest) -> None:
    node1, node2, _ = built.guests()
    assert node1.pings("10.99.0.1"), "server1 answers"
    assert not node1.pings("10.99.0.12", "-I mgmt0")
    for address in ("10.99.0.12", node2.address):
        node1.root(f"ip route add {address}/32 via 10.99.0.1 dev mgmt0")
        try:
            assert not node1.pings(address)
            dial = f"timeout 3 bash -c '</dev/tcp/{address}/22'"
            assert node1.run(dial, user="root").returncode != 0
        finally:
            node1.root(f"ip route del {address}/32")
    assert node1.pings(node2.address)
