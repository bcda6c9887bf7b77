"""Every way around the switch is tried: without the guard they are found open, and mended."""

from __future__ import annotations

import pytest

from farswitch.deadline import Deadline, wait_until
from farswitch.lab import container, ready
from tests.lab.clusters import ClusterUnderTest

pytestmark = [pytest.mark.lab, pytest.mark.root]

OPEN = {
    ("server1", "attack.route"),
    ("server1", "attack.spoof_mac"),
    ("server1", "attack.spoof_address"),
    ("server1", "attack.vni_direct"),
    ("server1", "attack.vni_nat"),
    ("server1", "attack.beyond"),
    ("server1", "attack.third_host"),
    ("server2", "attack.third_host"),
}
"""What stands open without the guard; the isolation of the ports closes the rest."""


def libvirt_starts_anew(cluster: ClusterUnderTest) -> None:
    """Kill libvirt on the hypervisor; what watches it there starts it again."""
    server = container.find(cluster.lab)["server1"]
    before = cluster.on("server1", ["pidof", "libvirtd"])
    cluster.on("server1", ["sh", "-c", "kill -KILL $(pidof libvirtd)"])
    wait_until(lambda: ready.runs_libvirt(server), Deadline(30), what="libvirt's return")
    assert cluster.on("server1", ["pidof", "libvirtd"]) != before


def test_every_way_that_the_guard_closes_is_found_open_without_it_and_the_fix_closes_it(
    built: ClusterUnderTest,
) -> None:
    table = f"farswitch_{built.name}"
    for server, families in (("server1", ("inet", "bridge")), ("server2", ("inet",))):
        for family in families:
            built.on(server, ["nft", "delete", "table", family, table])
    told = built.run("verify", "--only", "attack", "--attack")
    failed = told.failed_checks()
    found = {(check["host"], check["name"]) for check in failed}
    assert {one for one in found if one[1] != "attack.legitimate"} == OPEN
    attacks = [check for check in failed if check["name"] != "attack.legitimate"]
    (fix,) = {check["fix"] for check in attacks}
    built.follow(fix)
    libvirt_starts_anew(built)  # it writes rules of its own then
    healthy = built.good("verify", "--only", "attack", "--attack").document["checks"]
    size = len(built.guests())
    assert sum(check["ok"] for check in healthy) == 9 * size + 2 + size
    streams = [one["measured"] for one in healthy if one["name"] == "attack.legitimate"]
    assert all(one.startswith("110 of 110 arrived") for one in streams)
