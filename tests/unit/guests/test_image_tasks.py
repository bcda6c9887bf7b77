"""The base image on a hypervisor: what is uploaded, from where, and when it may go."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from farswitch.connections.libvirt.pools import PoolState
from farswitch.guests import base_image, image_volumes
from farswitch.guests.base_image import LocalImage, WantedImage
from farswitch.model.settings import Image
from tasks import image, image_remove, image_source

WANTED = WantedImage(Image(source="/x.img", sha256="ab" * 32), 4, "pool", "/pool")
NAME = f"base-user-{'ab' * 8}"
DISK = f"{NAME}.qcow2"
GUEST = "lab.node1.1.qcow2"


class Hypervisor:
    """A pool with volumes, all complete; `theirs` are not ours."""

    host = "server1"

    def __init__(self, *ours: str, theirs: tuple[str, ...] = (), user: str = "") -> None:
        self.ours, self.theirs, self.user = list(ours), theirs, user
        self.did: list[str] = []
        self.state: PoolState | None = PoolState("pool", "/pool", True, True, 1) if ours else None

    def volumes(self, pool):
        assert pool == "pool"
        volume = lambda name, ours: SimpleNamespace(  # noqa: E731
            name=name, ours=ours, complete=True, replaced=False
        )
        return [*(volume(name, True) for name in self.ours),
                *(volume(name, False) for name in self.theirs)]  # fmt: skip

    def ensure_pool(self, pool, path, *, missing):
        made = self.state is None
        if made:
            self.did.append(f"pool {pool} in {path}")
            self.state = PoolState(pool, path, True, True, missing)
        return made

    def pool(self, _pool):
        return self.state

    def start_pool(self, _pool):
        return False

    def list_domains(self):
        xml = f"<disk type='volume'><source pool='{self.user}' volume='x.img'/></disk>"
        return [SimpleNamespace(cluster=None, xml=xml)]

    def upload(self, _pool, name, source, size):
        assert len(source.read()) == size
        self.ours.append(name)

    def delete_volume(self, _pool, name):
        self.ours.remove(name)

    def remove_pool(self, pool, _remove_folders):
        self.did.append(f"no {pool}")


class Shell:
    """A server without the pool's folder."""

    def run(self, argv):
        return SimpleNamespace(stdout="missing 1\n" if "storage" in argv else "")


@pytest.fixture
def local(tmp_path: Path) -> LocalImage:
    (tmp_path / "disk").write_bytes(b"disk")
    return LocalImage(NAME, tmp_path / "disk", None, None, 1 << 30)


@pytest.fixture
def fetched(monkeypatch, local) -> list[str]:
    """What was fetched so far."""
    calls: list[str] = []

    def download(source, _sha256, *, progress, most):
        assert most == 4 << 30
        calls.append(source)
        return SimpleNamespace(disk=local.disk, virtual_size=local.size)

    monkeypatch.setattr(base_image, "download", download)
    return calls


@pytest.fixture
def on(monkeypatch):
    """Return the function that makes a task of a hypervisor, with the runs that hold its lock."""

    def task(hypervisor: Hypervisor, *runs: str, dry: bool = False) -> SimpleNamespace:
        for module in (image, image_remove, image_source):
            monkeypatch.setattr(module, "libvirt", lambda _task: hypervisor)
        for module in (image, image_remove):
            monkeypatch.setattr(module, "shell", lambda _task: Shell())

        @contextmanager
        def shared_settings(_login, *, dry_run):
            yield () if dry_run else tuple(SimpleNamespace(workflow=run) for run in runs)

        monkeypatch.setattr(image_volumes, "shared_settings", shared_settings)
        return SimpleNamespace(host="server1", is_dry_run=lambda asked: asked or dry)

    return task


def test_an_image_alone_is_fetched_and_uploaded_and_a_second_run_changes_nothing(on, fetched):
    hypervisor = Hypervisor()
    done = image.image(on(hypervisor), WANTED)
    assert (done.changed, done.count) == (True, 2)
    assert done.diff == f"+ pool pool\n+ volume {DISK}"
    assert (hypervisor.ours, hypervisor.did) == ([DISK], ["pool pool in /pool"])
    again = image.image(on(hypervisor), WANTED)
    assert (again.changed, again.count) == (False, 0)
    assert fetched == ["/x.img"]


def test_what_the_source_gave_is_not_fetched_again(on, fetched):
    hypervisor = Hypervisor()
    local = image_source.image_source(on(hypervisor), WANTED).result
    assert local.name == NAME
    image.image(on(hypervisor), WANTED, local)
    assert (hypervisor.ours, fetched) == ([DISK], ["/x.img"])
    assert image_source.image_source(on(hypervisor), WANTED).result is None
    assert fetched == ["/x.img"]


def test_a_dry_run_fetches_and_uploads_nothing(on, fetched):
    hypervisor = Hypervisor()
    done = image.image(on(hypervisor, dry=True), WANTED)
    assert (done.changed, done.diff) == (True, f"+ pool pool\n+ volume {DISK}")
    assert (hypervisor.ours, hypervisor.did, fetched) == ([], [], [])


@pytest.mark.parametrize(
    ("hypervisor", "runs", "gone"),
    [
        pytest.param(Hypervisor(DISK), (), [f"- volume {DISK}", "- pool pool"],
                     id="nobody-needs-it"),
        pytest.param(Hypervisor(DISK, GUEST), (), [], id="a-guests-disk-stands-on-it"),
        pytest.param(Hypervisor(DISK), ("build",), [], id="a-build-counts-on-it"),
        pytest.param(Hypervisor(DISK), ("teardown",), [f"- volume {DISK}", "- pool pool"],
                     id="another-teardown"),
        pytest.param(Hypervisor(DISK, theirs=("x.img",), user="pool"), (), [f"- volume {DISK}"],
                     id="others-use-the-pool-too"),
        pytest.param(Hypervisor(DISK, theirs=("x.img",)), (), [f"- volume {DISK}", "- pool pool"],
                     id="others-files-stay-without-the-pool"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("by", ["image", "image_remove"])
def test_images_go_once_nobody_needs_them(on, hypervisor, runs, gone, by):
    hypervisor = Hypervisor(*hypervisor.ours, theirs=hypervisor.theirs, user=hypervisor.user)
    before = list(hypervisor.ours)
    task = on(hypervisor, *runs)
    if by == "image":
        done = image.image(task, WANTED, present=False)
    else:
        done = image_remove.image_remove(task, "pool")
    assert done.diff.splitlines() == gone
    assert [name for name in before if name not in hypervisor.ours] == [
        line.split()[-1] for line in gone if "volume" in line
    ]
    assert hypervisor.did == (["no pool"] if "- pool pool" in gone else [])


def test_a_dry_run_counts_the_clusters_own_guests_as_gone(on):
    hypervisor = Hypervisor(DISK, GUEST)
    task = on(hypervisor, dry=True)
    assert image_remove.image_remove(task, "pool").count == 0
    assert image_remove.image_remove(task, "pool", without="other").count == 0
    assert image_remove.image_remove(task, "pool", without="lab").count == 2
    assert hypervisor.ours == [DISK, GUEST]
