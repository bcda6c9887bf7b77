"""The sources that a user brings."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from farswitch.apps import source
from farswitch.apps.source import read_source
from farswitch.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine/sub").mkdir(parents=True)
    (tmp_path / "mine/Makefile").write_text("all:\n")
    (tmp_path / "mine/sub/main.c").write_text("int main(void) { return 0; }\n")
    (tmp_path / "mine/link").symlink_to("Makefile")
    return tmp_path / "mine"


def test_a_folder_is_packed_whole(folder: Path):
    with tarfile.open(fileobj=io.BytesIO(read_source(str(folder), None).content)) as archive:
        assert archive.getnames() == ["Makefile", "link", "sub", "sub/main.c"]


def test_each_name_of_a_file_has_its_bytes_and_the_digest_of_copies(folder: Path):
    (folder / "sub/copy.c").write_bytes((folder / "sub/main.c").read_bytes())
    copied = read_source(str(folder), None)
    (folder / "sub/copy.c").unlink()
    (folder / "sub/copy.c").hardlink_to(folder / "sub/main.c")
    linked = read_source(str(folder), None)
    with tarfile.open(fileobj=io.BytesIO(linked.content)) as archive:
        assert archive.extractfile("sub/copy.c").read() == (folder / "sub/main.c").read_bytes()
    assert linked.digest == copied.digest


def test_its_digest_follows_from_what_is_in_it_alone(folder: Path):
    before = read_source(str(folder), None).digest
    os.utime(folder / "Makefile", (1, 1))
    os.mkfifo(folder / "fifo")
    assert read_source(str(folder), before).digest == before
    (folder / "Makefile").write_text("all: sub\n")
    assert read_source(str(folder), None).digest != before


def test_an_archive_is_taken_as_it_is(tmp_path: Path, folder: Path):
    place = tmp_path / "mine.tar.gz"
    with tarfile.open(place, "w:gz") as archive:
        archive.add(folder, "mine")
    digest = hashlib.sha256(place.read_bytes()).hexdigest()
    assert read_source(str(place), digest).content == place.read_bytes()


def test_another_digest_is_refused_with_both(folder: Path):
    with pytest.raises(ConfigError, match=r"has the sha256 [0-9a-f]{64}, wanted abc"):
        read_source(str(folder), "abc")


def test_what_is_no_archive_is_refused(folder: Path):
    for name, words in (("Makefile", "is no tar archive"), ("nosuch", "cannot be read")):
        with pytest.raises(ConfigError, match=words):
            read_source(str(folder / name), None)


def test_what_is_too_large_is_refused(folder: Path, monkeypatch):
    monkeypatch.setattr(source, "LARGEST", 1000)
    for place in (folder, folder / "large"):
        (folder / "large").write_bytes(bytes(2000))
        with pytest.raises(ConfigError, match="wanted 1000 at most"):
            read_source(str(place), None)
