"""What verify concludes from export table, mounts and files of the share."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from nornir.core.inventory import Host

from farswitch.connections.shell.local import LocalShell
from farswitch.connections.shell.protocol import Completed
from farswitch.guests import nfs_exports
from farswitch.model.cluster import cluster
from farswitch.proof.context import Context
from farswitch.rollback.at_logout import when_login_ends
from farswitch.site.loader import ROOT, load_site
from tasks.checks.nfs import closed, mount, share, share_judge
from tasks.checks.nfs.share_judge import Attempt, Token, outcome
from tests.proving import checks_of

CLUSTER = cluster(load_site(str(ROOT / "inventory/lab")), None)
NODE1, NODE2, NODE3 = CLUSTER.guests
EXPORT = "export /shared  10.0.0.0/24(sync,wdelay,sec=sys,rw,secure,root_squash,no_all_squash)"
HEAD = f"unit active\nfolder mpi\n{EXPORT}\n"
MOUNT = """\
unit active
access nfs
mount 10.0.0.11:/shared nfs4 rw,nosuid,nodev,noatime,vers=4.2,acregmin=1,acregmax=1,acdirmin=1,\
acdirmax=1,hard,lookupcache=none,addr=10.0.0.11
"""
TOKEN = Token("/shared/.verify-w", "w")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        pytest.param("unit active", "unit inactive", "nfs-server.service is inactive", id="unit"),
        pytest.param("folder mpi", "folder root", "/shared belongs to root", id="owner"),
        pytest.param("folder mpi\n", "", "no /shared", id="no-folder"),
        pytest.param(f"{EXPORT}\n", "", "not exported to 10.0.0.0/24", id="no-export"),
        pytest.param("10.0.0.0/24", "10.10.0.0/24", "not exported to 10.0.0.0/24", id="elsewhere"),
        pytest.param("root_squash", "no_root_squash", "without root_squash", id="not-squashed"),
        pytest.param("rw,", "ro,", "without rw", id="read-only"),
        pytest.param(HEAD, "", "nfs-server.service is not there", id="nothing-known"),
    ],
)
def test_the_heads_side_is_told_by_what_is_wrong(old, new, words):
    assert mount.faults_of_head(CLUSTER, HEAD) == []
    wrong = mount.faults_of_head(CLUSTER, HEAD.replace(old, new))
    check = mount.judge(NODE1, wrong, "good", "build")
    assert (check.ok, check.host) == (False, "node1")
    assert words in check.measured


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param(MOUNT.replace("unit active", "unit inactive"), "shared.automount is inactive",
                     id="unit"),
        pytest.param("unit inactive\naccess ext2/ext3\n", "/shared is not mounted", id="unmounted"),
        pytest.param("unit active\nstatus 124\n", "does not answer within 15 s", id="hangs"),
        pytest.param("unit active\nstatus 137\n", "does not answer within 15 s", id="killed"),
        pytest.param("unit active\nstat: cannot read: Stale file handle\nstatus 1\n",
                     "Stale file handle", id="stale"),
        pytest.param(MOUNT.replace("10.0.0.11:", "10.10.0.11:"), "mounted from 10.10.0.11:/shared",
                     id="over-management"),
        pytest.param(MOUNT.replace("vers=4.2", "vers=4.1"), "vers=4.1", id="version"),
        pytest.param(MOUNT.replace("nfs4", "nfs"), "as nfs ", id="kind"),
        pytest.param(MOUNT.replace("lookupcache=none,", ""), "without lookupcache=none",
                     id="stale-names"),
        pytest.param(MOUNT.replace("acregmax=1,", ""), "without acregmax=1", id="stale-sizes"),
        pytest.param("", "is not mounted", id="nothing-known"),
    ],
)  # fmt: skip
def test_a_mount_is_told_by_what_is_wrong(text, words):
    assert mount.faults_of_mount(CLUSTER, mount.parse_mount(MOUNT)) == []
    wrong = mount.faults_of_mount(CLUSTER, mount.parse_mount(text))
    assert words in ", ".join(wrong)


@pytest.mark.parametrize(
    ("path", "verdict"),
    [("/shared", True), ("/", True), ("/shared/a", True), ("/shared2", False), ("/srv", False)],
)
def test_a_folder_above_or_below_the_share_counts_as_its_export(path, verdict):
    assert nfs_exports.related(path, "/shared") is verdict


@pytest.mark.parametrize(
    ("table", "status", "said", "words"),
    [
        pytest.param(EXPORT, 32, "mount.nfs4: access denied by server while mounting", "",
                     id="refused"),
        pytest.param(f"{EXPORT}\nexport /srv *(rw)", 32, "access denied", "", id="another-folder"),
        pytest.param(EXPORT, 0, "", "10.10.0.11 could mount /shared", id="mounted"),
        pytest.param(f"{EXPORT}\nexport / *(rw)", 32, "access denied", "/ is exported to *",
                     id="root-folder-open"),
        pytest.param(f"{EXPORT}\nexport /shared 10.10.0.0/24(rw)", 32, "access denied",
                     "/shared is exported to 10.10.0.0/24", id="management-too"),
        pytest.param(EXPORT, 124, "", "not proved", id="hangs"),
        pytest.param(EXPORT, 32, "mount.nfs4: Connection refused", "not proved", id="no-server"),
        pytest.param(EXPORT, None, "", "not proved", id="not-tried"),
        pytest.param("", 32, "access denied", "not proved", id="no-table"),
    ],
)  # fmt: skip
def test_closed_is_a_table_without_others_and_a_mount_that_was_refused(table, status, said, words):
    found = nfs_exports.parse(table)
    check = closed.judge(CLUSTER, found, status, said, "build")
    assert (check.ok, check.host) == (not words, "node1")
    assert words in check.measured


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("write 0 \nroot 0 65534 \n", Attempt(0, "65534"), id="made"),
        pytest.param("root 1 touch: Permission denied \n", Attempt(1, "touch: Permission denied"),
                     id="refused"),
        pytest.param("write 0\n", Attempt(None, "write 0"), id="not-tried"),
        pytest.param("", Attempt(None, "not tried"), id="nothing"),
    ],
)  # fmt: skip
def test_an_outcome_is_read_from_its_own_line(text, found):
    assert outcome(text, "root") == found


@pytest.mark.parametrize(
    ("found", "ok", "words"),
    [
        pytest.param(Attempt(0, "65534"), True, "uid 65534", id="squashed"),
        pytest.param(Attempt(1, "touch: Permission denied"), True, "refused", id="refused"),
        pytest.param(Attempt(0, "0"), False, "a file of uid 0", id="root-is-root"),
        pytest.param(Attempt(0, ""), False, "a file of uid", id="owner-unknown"),
        pytest.param(Attempt(1, "touch: Stale file handle"), False, "not tried", id="stale"),
        pytest.param(Attempt(None, "not tried"), False, "not tried", id="not-tried"),
        pytest.param(Attempt(124, ""), False, "not tried", id="hangs"),
    ],
)
def test_root_is_squashed_when_it_owns_nothing(found, ok, words):
    check = share_judge.judge_squash(NODE1, NODE2, found, "build")
    assert (check.ok, check.host) == (ok, "node1")
    assert words in check.measured
    assert "node2" in check.measured


@pytest.mark.parametrize(
    ("found", "ok", "words"),
    [
        (Attempt(0, ""), True, "written"),
        (Attempt(1, "Read-only file system"), False, "Read-only"),
        (Attempt(124, ""), False, "no answer within 15 s"),
        (Attempt(None, "not tried"), False, "not tried"),
    ],
)
def test_a_write_is_told_by_how_it_ended(found, ok, words):
    check = share_judge.judge_write(NODE2, found, "build")
    assert (check.ok, check.host) == (ok, "node2")
    assert words in check.measured


@pytest.mark.parametrize(
    ("text", "verdicts"),
    [
        pytest.param("2000 w node1\n2000 w node2\n2000 w node3\n", [True] * 3, id="all"),
        pytest.param("2000 w node1\n0 w node2\n2000 v node3\n", [True, False, False],
                     id="other-uid-and-other-word"),
        pytest.param("", [False] * 3, id="nothing"),
    ],
)  # fmt: skip
def test_every_writers_file_has_a_verdict(text, verdicts):
    checks = share_judge.judge_read(NODE2, CLUSTER.guests, TOKEN, text, "build")
    assert [check.ok for check in checks] == verdicts
    assert {check.host for check in checks} == {"node2"}


def test_what_was_written_goes_with_the_login(tmp_path):
    """As where verify is killed: nobody is left to remove it."""
    folder = tmp_path / ".verify-w"
    (folder / "root").mkdir(parents=True)
    with when_login_ends(LocalShell("here"), ["rm", "-rf", "--", str(folder)]):
        assert folder.exists()
    assert not folder.exists()


class Node:
    """A guest's login: a write ends with `status`, and what is read is empty."""

    def __init__(self, host, status):
        self.host, self.status = host, status

    def start(self, _argv):
        return SimpleNamespace(close=lambda: None)

    def run(self, argv, **_):
        wrote = f"write {self.status} \nroot 0 65534\n" if "share_write" in argv else ""
        return Completed(tuple(argv), 0, wrote, "")


def test_a_node_that_could_not_write_is_not_asked_to_read_and_says_so():
    nodes = {one.name: Node(one.name, int(one.name == "node2")) for one in CLUSTER.guests}
    hosts = {name: Host(name) for name in nodes}
    for name, host in hosts.items():
        host.connections["shell"] = SimpleNamespace(connection=nodes[name])
    context = Context(CLUSTER, None, 1450, hosts, Path("/logins"))
    told = checks_of(context, share.PROBE)
    read = {(one.host, one.ok) for one in told if one.name == "nfs.read"}
    assert read == {("node1", False), ("node2", None), ("node3", False)}
    assert [one.host for one in told if one.name == "nfs.write" and not one.ok] == ["node2"]
