"""A teardown that gives back rules which no longer let the controller in: it is not locked out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from farswitch.lab.addresses import MEMBERS, Lab
from farswitch.lab.run import run
from tests.lab.clusters import ROOT, ClusterUnderTest, Run
from tests.lab_containers.desk import difference, inside, snapshot
from tests.lab_containers.servers import build_servers

pytestmark = pytest.mark.root
HASTY = Path(__file__).with_name("hasty.py")
ONLY = (
    "iptables-nft -I INPUT -p tcp --dport 22 ! -s {address} -m conntrack --ctstate NEW "
    "-j REJECT --reject-with tcp-reset"
)


@pytest.fixture
def cluster(lab: Lab, tmp_path: Path) -> ClusterUnderTest:
    cluster = ClusterUnderTest("fswi", 5301, "10.94.2", "10.95.2", lab, tmp_path, size=2)
    cluster.write_site()
    return cluster


@contextmanager
def moved(lab: Lab) -> Iterator[None]:
    """Let the controller have another address; logins that stand go on from the old one."""
    other, server = lab.control[200], lab.address(MEMBERS[0]).ip
    run(["ip", "address", "add", f"{other}/32", "dev", lab.name])
    run(["ip", "route", "replace", f"{server}/32", "dev", lab.name, "src", str(other)])
    try:
        yield
    finally:
        run(["ip", "route", "del", f"{server}/32", "dev", lab.name])
        run(["ip", "address", "del", f"{other}/32", "dev", lab.name])


def teardown(cluster: ClusterUnderTest) -> Run:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(cluster.state)}
    done = subprocess.run(
        [sys.executable, str(HASTY), "teardown", "--site", str(cluster.site), "--json"],
        cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    return Run(done.returncode, json.loads(done.stdout), done.stderr)


def test_the_way_in_comes_back_by_itself_and_the_old_rules_with_the_next_teardown(
    cluster: ClusterUnderTest, lab: Lab
):
    inside(lab, "server1", ONLY.format(address=lab.control[1]))
    before = snapshot(lab)
    assert build_servers(cluster).changed > 0
    with moved(lab):
        cut = teardown(cluster)
        assert cut.status == 1
        (failure,) = cut.document["failures"]
        assert (failure["host"], failure["stage"]) == ("server1", "firewall_reset")
        assert "was not confirmed by a new login: No connection to 'server1'" in failure["error"]
        (warning,) = cut.document["warnings"]
        assert "firewall of 'server1'" in warning
        assert "undone with status 0" in warning
        assert warning in " ".join(cut.said.split()), "people are told too"
        assert "-P INPUT ACCEPT" in inside(lab, "server1", "iptables-nft -S INPUT")
    last = teardown(cluster)
    assert (last.status, last.document["warnings"]) == (0, []), last.said
    assert difference(before, snapshot(lab)) == []
    inside(lab, "server1", ONLY.format(address=lab.control[1]).replace(" -I ", " -D "))
