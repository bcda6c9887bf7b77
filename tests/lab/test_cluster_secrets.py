"""Private keys are where they are needed, and nowhere else."""

import json
from pathlib import Path

import pytest

from tests.lab.clusters import ClusterUnderTest
from tests.lab.executed import Executed

pytestmark = [pytest.mark.lab, pytest.mark.root]

SEARCH = """
for place; do
    shift
    [ ! -e "$place" ] || set -- "$@" "$place"
done
grep -rlaF --exclude='*.qcow2' -f - "$@" || [ $? -eq 1 ] || exit 2
"""
"""On a server, with no key in an argument; disks are left out: a guest's holds its own keys."""


def bodies(cluster: ClusterUnderTest) -> dict[str, str]:
    """Return a line of each private key that only this key has, by what the key is for."""
    record = json.loads(
        cluster.on("server1", ["cat", f"/var/lib/farswitch/clusters/{cluster.name}.json"])
    )
    keys = {"controller": record["controller"], "user": record["user"], **record["hosts"]}
    # The first lines of all OpenSSH keys of a kind are alike.
    return {name: pair["private"].strip().splitlines()[3] for name, pair in keys.items()}


@pytest.fixture(scope="module")
def keys(built: ClusterUnderTest) -> dict[str, str]:
    """Return the bodies of all keys, once a build wrote all that it can into its logs."""
    built.good("build", "-v", "-v")
    found = bodies(built)
    assert len(set(found.values())) == len(found) == 5
    assert all(len(body) > 40 for body in found.values())
    return found


def holders(cluster: ClusterUnderTest, server: str, keys: dict[str, str], *places: str) -> set[str]:
    text = "\n".join(keys.values())
    return set(cluster.on(server, ["sh", "-c", SEARCH, "search", *places], stdin=text).split())


def test_servers_have_the_keys_in_the_record_alone(
    built: ClusterUnderTest, keys: dict[str, str]
) -> None:
    record = f"/var/lib/farswitch/clusters/{built.name}.json"
    places = ("/etc/libvirt", "/var/lib/libvirt", "/var/log", "/var/lib/farswitch", "/root",
              "/home", "/run/libvirt", "/tmp", "/var/cache/libvirt")  # fmt: skip
    assert holders(built, "server1", keys, *places) == {record}
    assert holders(built, "server2", keys, *places) == set()
    mode = built.on("server1", ["stat", "-c", "%a %U", record, "/var/lib/farswitch"])
    assert mode.split()[:2] == ["600", "root"]


def test_no_seed_is_left(built: ClusterUnderTest) -> None:
    volumes = built.on("server1", ["virsh", "vol-list", "farswitch"])
    assert "fst.node1.1.qcow2" in volumes
    assert "seed" not in volumes
    for number in (1, 2, 3):
        xml = built.on("server1", ["virsh", "dumpxml", "--inactive", f"fst-node{number}"])
        assert "fst.node" in xml
        assert "seed" not in xml


def test_controller_tells_no_key_in_logs_reports_or_arguments(
    built: ClusterUnderTest, keys: dict[str, str]
) -> None:
    login = built.state / "farswitch/clusters" / built.name
    for path in built.state.rglob("*"):
        if path.is_file():
            told = {name for name, body in keys.items() if body in path.read_text(errors="replace")}
            assert told == ({"controller"} if path == login / "id_ed25519" else set()), path
    assert (login / "id_ed25519").stat().st_mode & 0o777 == 0o600
    assert login.stat().st_mode & 0o777 == 0o700
    said = "".join(run.said + json.dumps(run.document) for run in built.runs)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            said += (process / "cmdline").read_text(errors="replace")
            said += (process / "environ").read_text(errors="replace")
        except OSError:
            continue
    assert [name for name, body in keys.items() if body in said] == []
    assert "PRIVATE KEY" not in "".join(run.said for run in built.runs)


def test_no_program_was_given_a_key_since_the_build_began(
    built: ClusterUnderTest, executed: Executed, keys: dict[str, str]
) -> None:
    if not executed.texts:
        pytest.skip("the kernel tells nobody here of the programs that start")
    record = f"/var/lib/farswitch/clusters/{built.name}.json"
    assert not executed.lost
    assert executed.with_words(record.encode()), "what writes the keys down was heard"
    assert executed.with_words(b"guest=fst-node3"), "and so was QEMU"
    told = [name for name, body in keys.items() if executed.with_words(body.encode())]
    assert told == []
    assert executed.with_words(b"PRIVATE KEY") == []


def test_a_guest_has_the_users_key_and_its_own_host_key_alone(
    built: ClusterUnderTest, keys: dict[str, str]
) -> None:
    user, own = "/home/mpi/.ssh/id_ed25519", "/etc/ssh/ssh_host_ed25519_key"
    # The keys come through the login's stream: no argument shows them.
    search = "grep -raoFH -f - /etc /root /home /run /tmp /var 2>/dev/null | sort"
    names = {body: name for name, body in keys.items()}
    for guest in built.guests():
        lines = guest.root(search, stdin="\n".join(names) + "\n").splitlines()
        found = {path: names[body] for path, _, body in (line.partition(":") for line in lines)}
        assert found == {user: "user", own: guest.name}
        assert guest.root(f"stat -c '%a %U' {user} {own}").split() == ["600", "mpi", "600", "root"]
