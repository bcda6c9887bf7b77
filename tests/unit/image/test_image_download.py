"""A user's image becomes a qcow2 disk that stands alone."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from farswitch.errors import ConfigError
from farswitch.image.user_image import download

SIZE = 2 << 20


def make(path: Path, *options: str) -> str:
    subprocess.run(["qemu-img", "create", "-q", *options, str(path)], check=True)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_qcow2_is_used_where_it_is(tmp_path: Path) -> None:
    image = tmp_path / "cloud.img"
    digest = make(image, "-f", "qcow2", "-o", f"size={SIZE}")
    built = download(str(image), digest, tmp_path / "cache")
    assert (built.disk, built.kernel, built.digest) == (image, None, digest)
    assert built.virtual_size == SIZE


def test_raw_image_is_converted_once(tmp_path: Path) -> None:
    image, cache, told = tmp_path / "cloud.raw", tmp_path / "cache", []
    image.write_bytes(b"some disk" + bytes(SIZE))
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    built = download(str(image), digest, cache, progress=told.append)
    assert download(str(image), digest, cache, progress=told.append) == built
    facts = subprocess.run(
        ["qemu-img", "info", "--output=json", built.disk], check=True, capture_output=True
    )
    assert json.loads(facts.stdout)["format"] == "qcow2"
    comparison = ["qemu-img", "compare", "-f", "raw", "-F", "qcow2", image, built.disk]
    assert subprocess.run(comparison, check=False, capture_output=True).returncode == 0
    assert [line for line in told if "Converting" in line] == ["Converting the image from raw"]
    assert told[-1].endswith(": 100 % of 2 MiB")


def test_converted_image_that_was_damaged_since_is_converted_again(tmp_path: Path) -> None:
    image, cache = tmp_path / "cloud.raw", tmp_path / "cache"
    image.write_bytes(b"some disk" + bytes(SIZE))
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    disk = download(str(image), digest, cache).disk
    good = disk.read_bytes()
    disk.write_bytes(good[: len(good) // 2])
    assert download(str(image), digest, cache).disk.read_bytes() == good


def test_image_on_top_of_another_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "base.qcow2", "-f", "qcow2", "-o", f"size={SIZE}")
    image = tmp_path / "overlay.qcow2"
    digest = make(image, "-f", "qcow2", "-b", str(tmp_path / "base.qcow2"), "-F", "qcow2")
    with pytest.raises(ConfigError, match=r"overlay of '.*base\.qcow2'"):
        download(str(image), digest, tmp_path / "cache")


def test_image_whose_data_is_in_another_file_is_refused(tmp_path: Path) -> None:
    image, data = tmp_path / "cloud.qcow2", tmp_path / "secret"
    options = f"size={SIZE},data_file={data},data_file_raw=on"
    digest = make(image, "-f", "qcow2", "-o", options)
    with pytest.raises(ConfigError, match="keeps its data in another file"):
        download(str(image), digest, tmp_path / "cache")


def patched(image: Path, offset: int, content: bytes) -> str:
    changed = bytearray(image.read_bytes())
    changed[offset : offset + len(content)] = content
    image.write_bytes(changed)
    return hashlib.sha256(changed).hexdigest()


@pytest.mark.parametrize(
    ("offset", "content", "sentence"),
    [
        pytest.param(4, (1).to_bytes(4), "qcow of version 1: wanted 2 or 3", id="version"),
        pytest.param(32, (2).to_bytes(4), "is encrypted", id="encrypted"),
        pytest.param(72, (2).to_bytes(8), "is marked as corrupt", id="corrupt"),
        pytest.param(8, (1 << 60).to_bytes(8), "overlay of ''", id="name-beyond-the-end"),
        pytest.param(20, (40).to_bytes(4), "is no disk image", id="senseless-cluster-size"),
        pytest.param(0, b"KDMV", "has the format VMDK: wanted qcow2 or raw", id="another-format"),
    ],
)
def test_other_images_are_refused(
    tmp_path: Path, offset: int, content: bytes, sentence: str
) -> None:
    image = tmp_path / "cloud.qcow2"
    make(image, "-f", "qcow2", "-o", f"size={SIZE}")
    with pytest.raises(ConfigError, match=sentence):
        download(str(image), patched(image, offset, content), tmp_path / "cache")


def test_header_that_ends_early_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "cloud.qcow2"
    image.write_bytes(b"QFI\xfb\0\0")
    with pytest.raises(ConfigError, match="its header is cut off"):
        download(str(image), hashlib.sha256(image.read_bytes()).hexdigest(), tmp_path / "cache")


def test_name_of_an_image_is_a_path_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QEMU takes what stands before a colon for a protocol."""
    monkeypatch.chdir(tmp_path)
    digest = make(tmp_path / "plain", "-f", "qcow2", "-o", f"size={SIZE}")
    (tmp_path / "plain").rename("nbd:unix.qcow2")
    built = download("nbd:unix.qcow2", digest, tmp_path / "cache")
    assert built.virtual_size == SIZE
