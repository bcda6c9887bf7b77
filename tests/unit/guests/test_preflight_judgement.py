"""What stands against a build on a server, one row a case."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from farswitch.connections.libvirt.domains import DomainState
from farswitch.connections.netlink.links import Link
from farswitch.links.clashes import (
    ServerProbe,
    able,
    domain_clashes,
    judge,
    link_clashes,
    parse,
    route_clashes,
)
from farswitch.links.offloads import interfaces
from farswitch.links.requirements import system
from farswitch.links.wanted_server import wanted_server
from farswitch.lock.reserved import Reserved
from farswitch.model.cluster import cluster
from farswitch.model.links import VxlanAttrs
from farswitch.remote import shell_command, source
from farswitch.site.loader import ROOT, load_site

CLUSTER = cluster(load_site(str(ROOT / "inventory/lab")), None)
SERVER1, SERVER2 = CLUSTER.hypervisors[0], CLUSTER.switch
WANT1, WANT2 = wanted_server(CLUSTER, SERVER1), wanted_server(CLUSTER, SERVER2)
GOOD = ServerProbe(uid=0, memory=8192, disk=20000, kvm=False)
TUNNEL = VxlanAttrs(vni=42, local=None, remote=None, port=4789, device="eth1")


def test_the_probe_runs_here_and_names_what_is_missing(tmp_path: Path):
    folder = str(tmp_path / "not" / "there")
    argv = shell_command("preflight", source("interfaces"), folder, "4789", "sh", "no-such-tool")
    text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    probe = parse(text)
    assert system(text).missing == ("no-such-tool",)
    assert min(probe.memory, probe.disk) > 0
    assert "lo" in {one.name for one in interfaces(text)}
    assert system(text).versions["kernel"] == os.uname().release


def test_the_probe_is_read():
    text = "uid 0\nmissing nft\nmissing qemu-img\nmemory 900\ndisk  1234\nkvm yes\nkernel vxlan\n"
    assert parse(text) == ServerProbe(0, 900, 1234, True)
    assert system(text).missing == ("nft", "qemu-img")
    assert system(text).kernel == {"vxlan": ""}


@pytest.mark.parametrize(
    ("probe", "links", "words"),
    [
        pytest.param(GOOD, [], [], id="nothing-stands-against-it"),
        pytest.param(replace(GOOD, uid=1000), [], ["uid 1000"], id="no-privilege"),
        pytest.param(replace(GOOD, memory=1000), [], ["1000 MiB", "wanted 1792"], id="no-memory"),
        pytest.param(replace(GOOD, disk=100), [], ["100 MiB of free disk"], id="no-disk"),
        pytest.param(
            GOOD,
            [Link(3, "virbr0", addresses=(IPv4Interface("10.10.0.1/16"),))],
            ["10.10.0.0/16", "virbr0", "management_network"],
            id="subnet-in-use",
        ),
        pytest.param(
            GOOD,
            [Link(3, "vx", kind="vxlan", vxlan=TUNNEL)],
            ["VNI 42", "'vx'"],
            id="vni-in-use",
        ),
        pytest.param(
            GOOD,
            [
                Link(
                    3,
                    "fsg41",
                    group=CLUSTER.owner.link_group,
                    addresses=(IPv4Interface("10.10.0.1/24"),),
                )
            ],
            [],
            id="our-own-is-no-clash",
        ),
    ],
)
def test_every_obstacle_is_named(probe: ServerProbe, links: list[Link], words: list[str]):
    obstacles = [*able(SERVER1, probe), *judge(WANT1, probe, links, {})]
    assert len(obstacles) == (1 if words else 0)
    assert all(word in obstacles[0].what for word in words)
    assert all(obstacle.remedy for obstacle in obstacles)


@pytest.mark.parametrize(
    ("name", "owner", "clashes"),
    [
        ("lab-node1", ("lab", "node1"), False),
        ("lab-node1", (None, None), True),
        ("lab-node1", ("lab-2", "node1"), True),
        ("other", (None, None), False),
    ],
)
def test_a_domain_of_our_name_without_our_mark_is_told_before_any_change(name, owner, clashes):
    domain = DomainState(name, "uuid", "running", True, "", *owner)
    assert bool(list(domain_clashes(WANT1, [domain]))) is clashes


def test_guests_that_run_need_no_more_memory():
    taps = [Link(i, guest.data_tap) for i, guest in enumerate(CLUSTER.guests)]
    assert list(judge(WANT1, replace(GOOD, memory=10), taps, {})) == []


@pytest.mark.parametrize(
    ("server", "route", "clashes"),
    [
        (SERVER1, ("10.0.0.128/25", "eth7"), True),
        (SERVER1, ("10.0.0.0/8", "eth7"), False),
        (SERVER1, ("10.10.0.0/24", "fsg41"), False),
        (SERVER2, ("10.0.0.128/25", "eth7"), False),
    ],
)
def test_a_route_into_our_network_clashes_and_a_wider_one_does_not(server, route, clashes: bool):
    routes = [(IPv4Network(route[0]), route[1])]
    assert bool(list(route_clashes(wanted_server(CLUSTER, server), routes))) is clashes


@pytest.mark.parametrize(
    ("name", "vnis", "networks", "words"),
    [
        pytest.param("other", (50, 52), ("10.1.0.0/24", "10.2.0.0/24"), "", id="apart"),
        pytest.param("lab", (41, 43), ("10.0.0.0/24", "10.10.0.0/24"), "", id="ourselves"),
        pytest.param("other", (43, 50), ("10.1.0.0/24",), "VNIs 43 to 50", id="a-vni"),
        pytest.param("other", (50, 52), ("10.0.0.0/16",), "10.0.0.0/16", id="data-network"),
        pytest.param("other", (50, 52), ("10.1.0.0/24", "10.0.0.0/24"), "10.0.0.0/24", id="across"),
    ],
)
def test_what_a_standing_cluster_has_is_taken(name, vnis, networks, words: str):
    standing = {name: Reserved(vnis=vnis, networks=networks)}
    obstacles = list(judge(WANT1, GOOD, [], standing))
    assert len(obstacles) == (1 if words else 0)
    assert all(word in obstacles[0].what for word in (words, "'other'", "'server1'") if words)
    assert list(judge(WANT2, GOOD, [], standing)) == [], "a switch has neither network"


def test_an_interface_under_a_name_of_ours_is_somebody_elses():
    (obstacle,) = link_clashes(WANT2, [Link(3, "fsv42")])
    assert "'server2' already has an interface 'fsv42'" in obstacle.what
    assert obstacle.foreign
    ours = Link(3, "fsv42", group=CLUSTER.owner.link_group, alias="farswitch:lab:node2")
    assert list(link_clashes(WANT2, [ours])) == []
