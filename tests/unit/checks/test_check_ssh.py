"""What verify concludes from the logins of one node to the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from farswitch.model.cluster import cluster
from farswitch.proof.context import Context
from farswitch.proof.pairing import Pairing
from farswitch.site.loader import ROOT, load_site
from tasks.checks.ssh.judge import Answer, Keys, judge, parse
from tasks.checks.ssh.login import targets

CLUSTER = cluster(load_site(str(ROOT / "inventory/lab")), None)
NODE1, NODE2, _ = CLUSTER.guests
DENIED = "node2 255 mpi@node2: Permission denied (publickey)."
KEY = "/home/mpi/.ssh"


def verdict(line: str, keys: Keys | None = None):
    def keys_of(_guest):
        assert keys is not None, "keys are looked at only where a login was refused"
        return keys

    (check,) = judge(NODE1, [NODE2], parse(line), keys_of, "build")
    return check


def test_a_login_that_arrives_passes():
    check = verdict("node2 0 node2")
    assert (check.ok, check.host) == (True, "node1")


@pytest.mark.parametrize(
    ("line", "measured", "cause"),
    [
        pytest.param("", "to node2: not probed", "in time", id="no-answer-at-all"),
        pytest.param("node2 x", "to node2: not probed", "in time", id="half-an-answer"),
        pytest.param("node2 0 node3", "'node3' answers", "/etc/hosts", id="another-node"),
        pytest.param("node2 0", "'' answers", "/etc/hosts", id="no-name"),
        pytest.param("node2 255 Host key verification failed.", "Host key", "ssh_known_hosts",
                     id="host-key-changed"),
        pytest.param("node2 255 No ED25519 host key is known for node2 and you have requested",
                     "host key is known", "ssh_known_hosts", id="host-key-unknown"),
        pytest.param("node2 255 ssh: connect to host node2 port 22: No route to host",
                     "No route", "switch's ports of node1 and node2", id="no-route"),
        pytest.param("node2 255 ssh: connect to host node2 port 22: Connection timed out",
                     "timed out", "switch's ports of node1 and node2", id="timeout"),
        pytest.param("node2 255 ssh: Could not resolve hostname node2: Name or service not known",
                     "resolve", "node1's /etc/hosts lacks node2", id="no-name-there"),
        pytest.param("node2 255 ssh: connect to host node2 port 22: Connection refused",
                     "refused", "node2's sshd", id="no-sshd"),
        pytest.param("node2 124 ", "status 124", "does not answer in time", id="hangs"),
        pytest.param("node2 1 odd", "odd", "ssh -v node2", id="anything-else"),
    ],
)  # fmt: skip
def test_a_login_that_fails_is_told_with_its_cause(line, measured, cause):
    check = verdict(line)
    assert (check.ok, check.host, check.fix) == (False, "node1", "build")
    assert measured in check.measured
    assert cause in check.cause


@pytest.mark.parametrize(
    ("keys", "lacks"),
    [
        pytest.param(Keys(private=False, authorized=True),
                     [f"node1 lacks the private key {KEY}/id_ed25519"], id="private"),
        pytest.param(Keys(private=True, authorized=False),
                     [f"node2 lacks the public key in {KEY}/authorized_keys"], id="public"),
        pytest.param(Keys(private=False, authorized=False), ["node1 lacks", "node2 lacks"],
                     id="both"),
    ],
)  # fmt: skip
def test_a_refused_login_names_who_lacks_which_key(keys, lacks):
    check = verdict(DENIED, keys)
    assert check.ok is False
    assert all(lack in check.measured for lack in lacks)
    assert check.measured.count(" lacks ") == len(lacks)


@pytest.mark.parametrize("keys", [Keys(True, True), Keys(None, None)])
def test_a_refused_login_with_both_keys_points_at_modes(keys):
    check = verdict(DENIED, keys)
    assert " lacks " not in check.measured
    assert "mode" in check.cause


@pytest.mark.parametrize("count", [2, 3, 8, 9])
def test_at_no_time_two_nodes_log_in_to_the_same_one(count):
    site = cluster(load_site(str(ROOT / "inventory/lab")), count)
    context = Context(site, cast("Any", None), 1450, {}, Path("ssh_config"), pairing=Pairing(1))
    orders = [targets(context, guest) for guest in site.guests]
    assert [order[0] for order in orders] == list(site.guests)
    if count % 2 == 0:  # with an odd count one pauses in each round
        for side_by_side in zip(*orders, strict=True):
            assert len(set(side_by_side)) == count
    assert all(len(order) == len(set(order)) for order in orders)


def test_every_target_has_a_verdict_whatever_the_probe_said():
    checks = list(judge(NODE1, CLUSTER.guests, {"node3": Answer(0, "node3")}, None, "build"))
    assert [check.ok for check in checks] == [False, False, True]
