"""An image is made once for each digest, and never half."""

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest

from farswitch.errors import FarswitchError
from farswitch.image import build as module
from farswitch.image.build import build
from farswitch.image.cache import default_cache, lock
from farswitch.image.recipe import recipe
from farswitch.image.root_tree import ImageError, run

RECIPE = recipe()
NAME = f"stock-{RECIPE.digest[:16]}"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was made, in a build whose programs are left out."""
    calls: list[str] = []

    def tree(_recipe: object, target: Path, _progress: object) -> None:
        calls.append("tree")
        target.mkdir()

    def stock(_tree: object, disk: Path, _progress: object) -> None:
        calls.append("disk")
        disk.write_bytes(b"disk")

    monkeypatch.setattr(module.root_tree, "make", tree)
    monkeypatch.setattr(module.disk, "stock", stock)
    monkeypatch.setattr(module.os, "geteuid", lambda: 0)
    return calls


def left(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".lock")


def test_second_build_comes_from_the_cache(made: list[str], tmp_path: Path) -> None:
    first = build(RECIPE, tmp_path, stock=True)
    assert first.disk.read_bytes() == b"disk"
    assert (first.kernel, first.digest) == (None, RECIPE.digest)
    assert build(RECIPE, tmp_path, stock=True) == first
    assert made == ["tree", "disk"]
    assert left(tmp_path) == [NAME]


@pytest.mark.parametrize("damage", [b"dis", b"disc", b""])
def test_image_that_was_damaged_since_is_made_anew(
    made: list[str], tmp_path: Path, damage: bytes
) -> None:
    told: list[str] = []
    build(RECIPE, tmp_path, stock=True).disk.write_bytes(damage)
    again = build(RECIPE, tmp_path, stock=True, progress=told.append)
    assert again.disk.read_bytes() == b"disk"
    assert made == ["tree", "disk"] * 2
    assert told == ["The image in the cache is not as it was made: making it anew"]
    assert left(tmp_path) == [NAME]


def test_image_without_its_digests_is_made_anew(made: list[str], tmp_path: Path) -> None:
    build(RECIPE, tmp_path, stock=True).disk.with_name("sums.json").unlink()
    build(RECIPE, tmp_path, stock=True)
    assert made == ["tree", "disk"] * 2


def test_failed_build_leaves_nothing(
    made: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ImageError("mkfs.ext4", 1, "no space")

    monkeypatch.setattr(module.disk, "stock", fail)
    with pytest.raises(ImageError, match="no space"):
        build(RECIPE, tmp_path, stock=True)
    assert left(tmp_path) == []


def test_rest_of_a_killed_build_is_not_used(made: list[str], tmp_path: Path) -> None:
    partial = tmp_path / f".{NAME}.partial"
    (partial / "tree").mkdir(parents=True)
    (partial / "disk.qcow2").write_bytes(b"half")
    assert build(RECIPE, tmp_path, stock=True).disk.read_bytes() == b"disk"
    assert left(tmp_path) == [NAME]


def test_builds_at_the_same_time_make_one_image(made: list[str], tmp_path: Path) -> None:
    with lock(tmp_path, NAME):
        threads = [
            threading.Thread(target=build, args=(RECIPE, tmp_path), kwargs={"stock": True})
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        assert made == []
    for thread in threads:
        thread.join(timeout=10)
    assert made == ["tree", "disk"]


def test_lock_keeps_others_out(tmp_path: Path) -> None:
    other = (tmp_path / ".x.lock").open
    with lock(tmp_path, "x"), other("w") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with (tmp_path / ".x.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_image_of_the_cache_needs_no_root(
    made: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = build(RECIPE, tmp_path, stock=True)
    monkeypatch.setattr(module.os, "geteuid", lambda: 1000)
    assert build(RECIPE, tmp_path, stock=True) == image
    monkeypatch.setattr(module, "ROOT_CACHE", tmp_path / "none")
    with pytest.raises(FarswitchError, match="only root can make one"):
        build(RECIPE, tmp_path)


def test_a_user_reads_what_root_made_whatever_roots_umask(
    made: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "root"
    before = os.umask(0o077)
    try:
        image = build(RECIPE, cache, stock=True)
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    assert cache.stat().st_mode & 0o777 == 0o755
    for path in (image.disk.parent, image.disk):
        assert path.stat().st_mode & 0o044 == 0o044
    monkeypatch.setattr(module, "ROOT_CACHE", cache)
    monkeypatch.setattr(module.os, "geteuid", lambda: 1000)
    assert build(RECIPE, tmp_path / "mine", stock=True) == image
    assert not (tmp_path / "mine").exists()


def test_cache_follows_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/me/.cache")
    assert default_cache() == Path("/home/me/.cache/farswitch")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert default_cache() == Path("/var/cache/farswitch")


def test_failed_program_is_quoted_with_its_last_lines() -> None:
    told: list[str] = []
    with pytest.raises(ImageError) as caught:
        run(("sh", "-c", "seq 1 50; echo no such suite >&2; exit 3"), told.append)
    assert (caught.value.program, caught.value.status) == ("sh", 3)
    assert caught.value.tail.endswith("49\n50\nno such suite")
    assert len(caught.value.tail.splitlines()) == 12
    assert len(told) == 51


def test_missing_program_is_named() -> None:
    with pytest.raises(ImageError, match="no-such-program") as caught:
        run(("no-such-program",))
    assert caught.value.hint == "Install 'no-such-program'."


def test_interrupted_program_is_ended(tmp_path: Path) -> None:
    def interrupt(_line: str) -> None:
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(("sh", "-c", "echo go; exec sleep 60"), interrupt)
    assert time.monotonic() - start < 30
