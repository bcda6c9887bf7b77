"""A guest that is not wanted in its cluster any more: what goes, what stays, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from farswitch.connections.shell.protocol import FileDigest, Raw
from farswitch.guests import converge_files
from farswitch.guests.config import wanted_configs
from farswitch.model.cluster import cluster
from farswitch.model.guest_file import File
from farswitch.site.loader import ROOT, load_site
from farswitch.state.record import complete
from tasks import hosts_file, mpi, nfs, ssh_keys

CLUSTER = cluster(load_site(str(ROOT / "inventory/lab")), None)
RECORD = complete(None, CLUSTER)


class Guest:
    """A guest with all files of its configuration, that notes what is done."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.files = {path: File(path, b"") for path in paths}
        self.runs = True
        self.did: list[str] = []

    def digests(self, paths: Sequence[str]) -> dict[str, FileDigest | None]:
        files = {path: self.files.get(path) for path in paths}
        return {
            path: FileDigest(file.sha256, file.mode, file.owner) if file else None
            for path, file in files.items()
        }

    def run(self, argv: Sequence[str], **_: object) -> SimpleNamespace:
        self.did.append(" ".join(argv))
        if argv[1] == "disable":
            self.runs = False
        return SimpleNamespace(status=0, stdout="", stderr="")

    def together(self, scripts: Sequence[Sequence[str]]) -> list[Raw]:
        active = b"active\n" if self.runs else b"inactive\n"
        return [Raw(0, active if "is-active" in one[0] else b"", b"") for one in scripts]

    def remove(self, path: str) -> None:
        del self.files[path]
        self.did.append(f"rm {path}")

    def write(self, path: str, content: bytes, *, mode: int, owner: str) -> None:
        self.files[path] = File(path, content, mode, owner)


@pytest.fixture(params=CLUSTER.guests[:2], ids=["head", "worker"])
def config(request):
    return wanted_configs(CLUSTER, RECORD)[request.param.name]


@pytest.fixture
def guest(config, monkeypatch) -> Guest:
    guest = Guest(config.paths)
    for module in (converge_files, mpi, nfs):
        monkeypatch.setattr(module, "shell", lambda _task: guest)
    monkeypatch.setattr(mpi.sshd, "reload", lambda login: login.did.append("reload"))
    return guest


def task(*, dry: bool = False) -> SimpleNamespace:
    return SimpleNamespace(
        host=SimpleNamespace(name="node1"), is_dry_run=lambda asked: asked or dry
    )


def without(config, **how):
    """Run all four tasks for a guest that is not wanted in the cluster any more."""
    where, owner = task(), config.owner
    return [
        hosts_file.hosts_file(where, config.addresses, owner, present=False, **how),
        ssh_keys.ssh_keys(where, config.access, owner, present=False, **how),
        nfs.nfs(where, config.share, owner, present=False, **how),
        mpi.mpi(where, config.mpi, owner, present=False, **how),
    ]


def test_all_goes_but_localhost_and_our_own_way_in(config, guest):
    planned = without(config, dry_run=True)
    assert guest.did == []
    done = without(config)
    assert [one.diff for one in done] == [one.diff for one in planned]
    assert all(one.changed for one in done)
    assert set(guest.files) == {"/etc/hosts", "/root/.ssh/authorized_keys"}
    assert b"node" not in guest.files["/etc/hosts"].content
    assert not any(one.changed for one in without(config))


def test_the_share_is_let_go_before_its_files_are(config, guest):
    nfs.nfs(task(), config.share, config.owner, present=False)
    first, *files, reload = guest.did[:4]
    if config.share.exports:
        assert first == "systemctl disable --now nfs-server.service"
        assert guest.did[4:] == ["exportfs -ra"]
    else:
        assert first == "systemctl disable --now shared.automount shared.mount"
        assert guest.did[4:] == []
    assert all(line.startswith("rm /etc/") for line in files)
    assert reload == "systemctl daemon-reload"
