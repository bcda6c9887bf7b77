"""The files of a guest: rendered once, used by the seed and by the tasks."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from types import SimpleNamespace

import pytest

from farswitch.connections.shell.protocol import FileDigest
from farswitch.guests import converge_files
from farswitch.guests.config import GuestConfig, wanted_configs
from farswitch.guests.files import hosts, mpi, nfs, ssh
from farswitch.model.cluster import Cluster, cluster
from farswitch.model.guest_file import File
from farswitch.model.machines import Guest
from farswitch.site.loader import ROOT, load_site
from farswitch.state.record import complete

CLUSTER: Cluster = cluster(load_site(str(ROOT / "inventory/lab")), None)
RECORD = complete(None, CLUSTER)
OWNER, MPI, ACCESS = CLUSTER.owner, mpi.wanted_mpi(CLUSTER), ssh.wanted_access(CLUSTER, RECORD)
WANT = File("/etc/x", b"new\n", mode=0o640, owner="root:root")
SAME = FileDigest(WANT.sha256, 0o640, "root:root")


@pytest.mark.parametrize(
    ("have", "why"),
    [
        pytest.param(None, ["missing"], id="absent-is-written"),
        pytest.param(SAME, [], id="same-is-left-alone"),
        pytest.param(
            replace(SAME, sha256=File("", b"old\n").sha256), ["content"], id="content-is-corrected"
        ),
        pytest.param(replace(SAME, mode=0o644), ["mode 0644 -> 0640"], id="mode-is-corrected"),
        pytest.param(
            replace(SAME, owner="mpi:mpi"), ["owner mpi:mpi -> root:root"], id="owner-is-corrected"
        ),
    ],
)
def test_a_file_is_written_when_it_differs(have: FileDigest | None, why: list[str]):
    assert [change.why for change in converge_files.plan({"/etc/x": have}, [WANT])] == why


def test_a_diff_names_files_and_never_their_content():
    secret = ssh.secret_files(ACCESS)
    changes = converge_files.plan({file.path: None for file in secret}, secret)
    text = "\n".join(map(str, changes))
    assert "/home/mpi/.ssh/id_ed25519" in text
    assert "PRIVATE" not in text


class Reads:
    """A shell that has one file and counts the questions."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def digests(self, paths: list[str]) -> dict[str, FileDigest | None]:
        self.asked.append(paths)
        return {path: SAME if path == WANT.path else None for path in paths}


def test_files_that_were_read_before_are_not_read_again():
    login = Reads()
    other = File("/etc/y", b"", mode=0o644, owner="root:root")
    have = login.digests([WANT.path, other.path])
    for files in ([WANT], [other], [WANT, other]):
        assert converge_files.plan(converge_files.observe(login, files, have), files) == (
            [] if files == [WANT] else [converge_files.FileChange(other, "missing")]
        )
    assert login.asked == [["/etc/x", "/etc/y"]]
    more = File("/etc/z", b"", mode=0o644, owner="root:root")
    assert converge_files.observe(login, [WANT, more], have) == {WANT.path: SAME, more.path: None}
    assert converge_files.observe(login, [WANT]) == {WANT.path: SAME}
    assert login.asked[1:] == [["/etc/x", "/etc/z"], ["/etc/x"]]


@pytest.mark.parametrize(("have", "gone"), [(SAME, ["/etc/x"]), (None, [])])
def test_files_of_a_guest_go_where_they_are_not_wanted(have: FileDigest | None, gone: list[str]):
    changes = converge_files.plan({"/etc/x": have}, [WANT], present=False)
    removed: list[str] = []
    converge_files.apply(SimpleNamespace(remove=removed.append), changes)
    assert removed == gone
    assert list(map(str, changes)) == [f"- {path}" for path in gone]


@pytest.mark.parametrize("guest", CLUSTER.guests[:2], ids=["head", "worker"])
def test_every_file_of_a_guest_is_read_ahead(guest: Guest):
    config = wanted_configs(CLUSTER, RECORD)[guest.name]
    for kept in (
        hosts.hosts_files(config.addresses, OWNER),
        ssh.public_files(ACCESS, OWNER),
        ssh.login_files(ACCESS),
        ssh.secret_files(ACCESS),
        nfs.share_files(config.share, OWNER),
        mpi.mpi_files(MPI, OWNER, finalize=True),
    ):
        assert {file.path for file in kept} <= set(config.paths)


def test_what_all_guests_have_in_common_is_there_once():
    one, *others = wanted_configs(CLUSTER, RECORD).values()
    for other in others:
        assert other.addresses is one.addresses
        assert other.access is one.access
        assert other.mpi is one.mpi
        for kept, own in zip(common(one), common(other), strict=True):
            assert all(file is same for file, same in zip(kept, own, strict=True))


def common(config: GuestConfig) -> tuple[tuple[File, ...], ...]:
    """Return the files of a guest that every other has, too."""
    hostfile = mpi.mpi_files(config.mpi, OWNER, finalize=True)[2:]
    return (
        hosts.hosts_files(config.addresses, OWNER), ssh.public_files(config.access, OWNER), hostfile
    )  # fmt: skip


def test_files_follow_what_is_wanted_after_another_was_rendered():
    two, three = ({name: IPv4Address(f"10.0.0.1{place}") for place, name in enumerate(names)}
                  for names in (("a", "b"), ("a", "b", "c")))  # fmt: skip
    texts = [hosts.hosts_files(names, OWNER)[0].content for names in (two, three, dict(two), three)]
    assert [text.count(b" c\n") for text in texts] == [0, 1, 0, 1]


def test_names_resolve_to_data_addresses_and_none_to_127_0_1_1():
    (file,) = hosts.hosts_files(hosts.wanted_addresses(CLUSTER), OWNER)
    text = file.content.decode()
    lines = text.splitlines()
    assert [line for line in lines if "node" in line] == [
        "10.0.0.11 node1",
        "10.0.0.12 node2",
        "10.0.0.13 node3",
    ]
    assert "127.0.1.1" not in text


def test_every_host_key_is_known_by_name_and_both_addresses():
    lines = ssh.known_hosts(ACCESS, OWNER).content.decode().splitlines()
    assert lines[1].startswith("node1,10.0.0.11,10.10.0.11 ssh-ed25519 ")
    assert len(lines) == 1 + len(CLUSTER.guests)


def test_ssh_asks_other_guests_for_the_quick_exchange_first_and_refuses_none(tmp_path: Path):
    config = tmp_path / "config"
    config.write_bytes(ssh.client(ACCESS, OWNER).content)

    def exchanges(host: str) -> list[str]:
        argv = ["ssh", "-G", "-F", str(config), host]
        said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        (line,) = (line for line in said.splitlines() if line.startswith("kexalgorithms "))
        return line.split(" ")[1].split(",")

    usual = exchanges("elsewhere")
    for host in ("node2", "10.0.0.12"):
        assert exchanges(host)[0] == "curve25519-sha256"
        assert set(exchanges(host)) == set(usual)


def test_the_private_key_is_only_in_what_is_given_after_boot():
    private = RECORD.user.private.encode()
    before = [*ssh.public_files(ACCESS, OWNER), *ssh.login_files(ACCESS)]
    assert all(private not in file.content for file in before)
    (key,) = ssh.secret_files(ACCESS)
    assert (key.content, key.mode, key.owner) == (private, 0o600, "mpi:mpi")


def test_only_the_head_exports_and_only_to_the_data_network():
    head, worker = CLUSTER.guests[0], CLUSTER.guests[1]
    exports = {
        file.path: file.content.decode()
        for file in nfs.share_files(nfs.wanted_share(CLUSTER, head), OWNER)
    }
    assert "/shared 10.0.0.0/24(rw,sync,root_squash,no_subtree_check)" in exports["/etc/exports"]
    assert not any(
        "exports" in file.path for file in nfs.share_files(nfs.wanted_share(CLUSTER, worker), OWNER)
    )
    assert nfs.wanted_share(CLUSTER, head).units == ("nfs-server.service",)
    assert nfs.wanted_share(CLUSTER, worker).units == ("shared.automount",)


@pytest.mark.parametrize(
    ("path", "unit"),
    [("/shared", "shared.mount"), ("/srv/my-share", "srv-my\\x2dshare.mount")],
)
def test_a_unit_is_escaped_as_systemd_does(path: str, unit: str):
    assert nfs.unit_name(path, "mount") == unit


def test_every_device_of_mpich_is_pinned_to_the_data_nic():
    for device, variables in mpi.pins(MPI.payload_ports).items():
        assert "data0" in variables.values(), device
        found = mpi.environment(MPI, finalize=False, built_with=device)
        assert found.items() >= variables.items()


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("MPICH Version:\t4.0.2\nMPICH Device:\tch4:ucx\n", "ch4:ucx"),
        ("MPICH Version:          3.4\nMPICH Device:           ch3:nemesis\n", "ch3:nemesis"),
        ("no such thing\n", ""),
    ],
)
def test_the_device_is_read_from_mpichversion(text: str, device: str):
    assert mpi.device(text) == device


@pytest.mark.parametrize(("device", "there"), [("ch4:ucx", False), ("ch3:nemesis", True)])
def test_the_range_that_steers_the_launcher_too_is_set_for_ch3_alone(device: str, there: bool):
    variables = mpi.environment(MPI, finalize=False, built_with=device)
    assert (mpi.CH3_PORTS in variables) is there


def test_a_guests_program_is_that_of_the_sources():
    (found,) = (file for file in mpi.mpi_files(MPI, OWNER, finalize=True) if file.path == mpi.RING)
    assert found.content == (ROOT / "farswitch/remote/mpi_ring.py").read_bytes()
