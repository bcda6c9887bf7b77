"""What the kernel changes along with `net.ipv4.ip_forward` comes back, whatever happens between."""

import pytest

from farswitch.sysctl import converge as sysctl
from farswitch.sysctl.converge import converge
from farswitch.sysctl.files import path_of
from tests.netns.test_sysctl import FORWARD

pytestmark = pytest.mark.root

REDIRECTS = "net.ipv4.conf.all.accept_redirects"
SEND = "net.ipv4.conf.all.send_redirects"
LINKS = """
ip link add eth1 type veth peer name eth2
ip link add eth1.100 type veth peer name 'a=b'
"""
HARDENED = {
    "redirects-refused": {REDIRECTS: "0"},
    "an-interface-routes": {"net.ipv4.conf.eth1.forwarding": "1"},
    "a-vlan-routes": {"net.ipv4.conf.eth1/100.forwarding": "1"},
    "an-odd-name-routes": {"net.ipv4.conf.a=b.forwarding": "1"},
    "new-interfaces-route": {"net.ipv4.conf.default.forwarding": "1"},
    "all-of-it": {
        REDIRECTS: "0",
        SEND: "0",
        "net.ipv4.conf.default.accept_redirects": "0",
        "net.ipv4.conf.default.send_redirects": "0",
        "net.ipv4.conf.all.rp_filter": "1",
        "net.ipv4.conf.eth1.forwarding": "1",
        "net.ipv4.conf.eth2.accept_redirects": "0",
        "net.ipv6.conf.all.accept_redirects": "0",
        "net.ipv6.conf.eth1.accept_ra": "0",
        "net.ipv6.conf.eth2.forwarding": "1",
    },
    "routes-at-will-but-one": {FORWARD: "1", "net.ipv4.conf.eth1.forwarding": "0"},
    "a-router-that-takes-redirects": {FORWARD: "1", REDIRECTS: "1"},
    "another-true": {FORWARD: "2", "net.ipv4.conf.eth1.forwarding": "0"},
    "nothing": {},
}
TOUCH = (
    "",
    f"sysctl -q -w {FORWARD}=0",
    f"sysctl -q -w {FORWARD}=0; sysctl -q -w {FORWARD}=1",
    "sysctl -q -w net.ipv4.conf.all.forwarding=0",
)
"""What somebody does to a cluster's server before its next build."""


def put(box, key, value):
    box.run(("tee", f"/proc/sys/{path_of(key)}"), stdin=value)


def read(box, key):
    return box.run(("sysctl", "-n", key)).stdout.strip()


def harden(box, name):
    box.run(("sh", "-ec", LINKS))
    for key, value in HARDENED[name].items():
        put(box, key, value)


def settings(box):
    """Return all settings of the network, PATH:VALUE."""
    listing = box.run(("grep", "-rs", "", "/proc/sys/net"), check=False)
    return sorted(listing.stdout.splitlines())


@pytest.mark.parametrize("name", HARDENED)
def test_every_setting_of_a_hardened_server_comes_back(box, name):
    harden(box, name)
    before = settings(box)
    for touch in TOUCH if HARDENED[name].get(FORWARD, "0") == "0" else TOUCH[:1]:
        converge(box, "lab")
        assert read(box, FORWARD) == "1"
        box.run(("sh", "-ec", touch))
        converge(box, "lab")
        converge(box, "lab", present=False)
        assert settings(box) == before, touch
    assert box.run(("find", "/var/lib/farswitch"), check=False).status != 0


def test_redirects_stay_refused_while_the_cluster_stands(box):
    harden(box, "all-of-it")
    before = settings(box)
    converge(box, "lab")
    changed = {line.rpartition(":")[0] for line in set(settings(box)) - set(before)}
    assert f"/proc/sys/{path_of(FORWARD)}" in changed
    for key in changed:
        assert "/net/bridge/" in key or key.endswith(("/ip_forward", "/forwarding")), key


@pytest.mark.parametrize("first", ["lab", "other"])
def test_the_last_of_two_clusters_gives_all_back(box, first):
    harden(box, "all-of-it")
    before = settings(box)
    converge(box, "lab")
    converge(box, "other")
    converge(box, first, present=False)
    assert (read(box, FORWARD), read(box, REDIRECTS)) == ("1", "0")
    converge(box, {"lab": "other", "other": "lab"}[first], present=False)
    assert settings(box) == before


@pytest.mark.parametrize("cut", ["build", "teardown"])
@pytest.mark.parametrize("rebuilt", [True, False])
def test_a_run_that_died_behind_its_first_setting_is_made_good(box, monkeypatch, cut, rebuilt):
    harden(box, "all-of-it")
    before = settings(box)
    if cut == "teardown":
        converge(box, "lab")

    def dies(shell, values):
        put(shell, FORWARD, values[FORWARD])
        raise OSError("power")

    with monkeypatch.context() as patch:
        patch.setattr(sysctl, "_write", dies)
        with pytest.raises(OSError, match="power"):
            converge(box, "lab", present=cut == "build")
    if rebuilt:
        converge(box, "lab")
    converge(box, "lab", present=False)
    assert settings(box) == before


def test_an_interface_that_went_is_no_error_and_one_that_came_is_as_before_a_build(box):
    harden(box, "all-of-it")
    converge(box, "lab")
    box.run(("sh", "-ec", "ip link del eth1; ip link add new type veth peer name newer"))
    assert read(box, "net.ipv4.conf.new.forwarding") == "1"
    converge(box, "lab", present=False)
    assert read(box, "net.ipv4.conf.new.forwarding") == "0"
    assert read(box, REDIRECTS) == "0"


def test_an_interface_that_came_is_what_new_ones_were_before_a_build(box):
    harden(box, "new-interfaces-route")
    converge(box, "lab")
    box.run(("sh", "-ec", "ip link add new type veth peer name newer"))
    converge(box, "lab", present=False)
    assert read(box, "net.ipv4.conf.new.forwarding") == "1"
    assert read(box, "net.ipv4.conf.eth1.forwarding") == "0"


def test_what_somebody_set_while_the_cluster_stood_stays(box):
    harden(box, "an-interface-routes")
    converge(box, "lab")
    put(box, "net.ipv4.conf.eth1.forwarding", "0")
    converge(box, "lab")
    converge(box, "lab", present=False)
    assert read(box, "net.ipv4.conf.eth1.forwarding") == "0"
    assert read(box, REDIRECTS) == "1"


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(f"{REDIRECTS} = 0", id="by-name"),
        pytest.param("-net/ipv4/conf/all/accept_redirects=0", id="by-path"),
        pytest.param("net.ipv4.conf.*.accept_redirects = 0", id="by-pattern"),
    ],
)
def test_a_server_that_was_hardened_while_the_cluster_stood_stays_so(box, line):
    harden(box, "nothing")
    converge(box, "lab")
    box.write("/etc/sysctl.d/60-hardened.conf", f"{line}\n".encode())
    put(box, REDIRECTS, "0")
    converge(box, "lab", present=False)
    assert read(box, REDIRECTS) == "0"


def test_five_hundred_interfaces_are_read_in_one_go(box):
    names = "".join(f"link add p{i} type veth peer name q{i}\n" for i in range(250))
    box.run(("ip", "-batch", "-"), stdin=names)
    put(box, "net.ipv4.conf.q249.forwarding", "1")
    look = ("sh", "-c", "grep -H . /proc/sys/net/ipv4/conf/*/forwarding")
    before = box.run(look).stdout
    converge(box, "lab")
    assert box.run(look).stdout != before
    converge(box, "lab", present=False)
    assert box.run(look).stdout == before
