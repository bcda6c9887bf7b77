"""What is read of interfaces is what `ip` and ethtool's finer questions say of them."""

from __future__ import annotations

import json
import sys

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.links.offloads import interfaces
from farswitch.remote import command

pytestmark = pytest.mark.root
MAKE = """
ip link add u0 mtu 1400 type veth peer name u1
ip link add fsv41 mtu 1350 type vxlan id 41 dstport 4789 dev u0 local 198.51.100.1
ip tuntap add fsd41 mode tap
ip link add fsb41 type bridge
"""
FINER = """
import json, sys
from pyroute2.ethtool.ethtool import Ethtool
kernel, found = Ethtool(), {}
for name, off in json.loads(sys.argv[1]).items():
    features = kernel.get_features(name)
    for one in off:
        features.features[one].enable = False
    kernel.set_features(name, features)
    found[name] = [key for key, one in kernel.get_features(name).features.items() if one.enable]
print(json.dumps(found))
"""
SEVERAL = {
    "tx": {"tx-checksum-ipv4", "tx-checksum-ip-generic", "tx-checksum-ipv6"},
    "tso": {"tx-tcp-segmentation", "tx-tcp6-segmentation", "tx-tcp-ecn-segmentation"},
    "gso": {"tx-generic-segmentation"},
    "gro": {"rx-gro"},
}
"""The features of the kernel that each of ethtool's short names stands for."""


def test_mtu_and_offloads_are_those_that_the_kernel_has_by_other_questions(machine: LocalShell):
    machine.run(["sh", "-ec", MAKE])
    off = {
        "fsv41": ["rx-gro"],
        "u0": ["tx-generic-segmentation"],
        "fsd41": [],
        "fsb41": [],
        "u1": [],
    }
    told = machine.run([sys.executable, "-c", FINER, json.dumps(off)]).stdout
    wanted = {
        name: tuple(word for word, features in SEVERAL.items() if features & set(on))
        for name, on in json.loads(told).items()
    }
    found = {one.name: one for one in interfaces(machine.run(command("interfaces")).stdout)}
    assert {name: found[name].offloads for name in off} == wanted
    assert "gro" not in wanted["fsv41"]
    assert "gso" not in wanted["u0"]
    assert "tx" in wanted["fsv41"]
    links = json.loads(machine.run(["ip", "-j", "link"]).stdout)
    assert {one.name: one.mtu for one in found.values()} == {
        link["ifname"]: link["mtu"] for link in links
    }
