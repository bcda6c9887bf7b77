"""Faults in guests, made by hand: each is found where it is, and its printed fix mends it."""

from __future__ import annotations

import pytest

from tests.lab.clusters import ClusterUnderTest, Run

pytestmark = [pytest.mark.trial, pytest.mark.lab, pytest.mark.root]

FAMILIES = ("--only", "guest,ssh,nfs")
USER = "/home/mpi/.ssh"


def failures(run: Run) -> dict[tuple[str, str], str]:
    """Return what was measured by each check that failed, by its name and host."""
    found: dict[tuple[str, str], str] = {}
    for check in run.document["checks"]:
        if check["ok"] is False:
            place = (check["name"], check["host"])
            found[place] = f"{found.get(place, '')} {check['measured']}".strip()
    return found


def follow_the_fixes(cluster: ClusterUnderTest, run: Run) -> None:
    """Type each fix once, as a person does who reads them from the top."""
    fixes = [check["fix"] for check in run.document["checks"] if check["ok"] is False]
    for fix in dict.fromkeys(fixes):
        cluster.follow(fix)


def test_files_keys_and_share_are_blamed_on_their_nodes_and_mended(
    built: ClusterUnderTest,
) -> None:
    node1, node2, node3 = built.guests()
    node1.root("sed -i s/root_squash/no_root_squash/ /etc/exports && exportfs -ra")
    node2.root("systemctl stop shared.automount shared.mount; ! mountpoint -q /shared")
    node2.root(f"echo other >{USER}/authorized_keys")
    node3.root(f"sed -i '1i 127.0.1.1 node3' /etc/hosts; rm {USER}/id_ed25519")
    told = built.run("verify", *FAMILIES)
    found = failures(told)
    words = {
        ("guest.hosts_file", "node3"): ["line '127.0.1.1 node3'", "resolves to 127.0.1.1"],
        ("guest.ssh_keys", "node2"): [f"{USER}/authorized_keys"],
        ("guest.ssh_keys", "node3"): [f"{USER}/id_ed25519"],
        ("guest.nfs", "node1"): ["/etc/exports"],
        ("guest.nfs", "node2"): ["shared.automount"],
        ("ssh.pair", "node1"): [f"node2 lacks the public key in {USER}/authorized_keys"],
        ("ssh.pair", "node2"): [f"node2 lacks the public key in {USER}/authorized_keys"],
        ("ssh.pair", "node3"): [f"node3 lacks the private key {USER}/id_ed25519"],
        ("nfs.mount", "node1"): ["/shared is exported to 10.98.0.0/24 without root_squash"],
        ("nfs.mount", "node2"): ["shared.automount is inactive", "/shared is not mounted"],
        ("nfs.squash", "node1"): ["root of node3 wrote a file of uid 0"],
    }
    assert told.status == 1
    assert found.keys() == words.keys()
    assert [key for key, says in words.items() for one in says if one not in found[key]] == []
    follow_the_fixes(built, told)
    built.good("verify", *FAMILIES)


def test_dead_guests_are_told_at_once_and_one_build_brings_them_back(
    built: ClusterUnderTest,
) -> None:
    node3 = built.guest(3)
    node3.root("echo kept >/root/kept; systemctl stop ssh")
    built.on("server1", ["virsh", "destroy", "fst-node2"])
    told = built.run("verify", *FAMILIES)
    assert failures(told) == {
        ("guest.running", "node2"): "domain 'fst-node2' is shut off on 'server1'",
        ("guest.login", "node3"): failures(told).get(("guest.login", "node3")),
    }
    assert "10.99.0.13 refuses connections to port 22" in failures(told)["guest.login", "node3"]
    follow_the_fixes(built, told)
    built.good("verify", *FAMILIES)
    assert node3.root("cat /root/kept") == "kept"
