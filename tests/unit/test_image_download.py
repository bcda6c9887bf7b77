"""A user's image becomes a qcow2 disk that stands alone."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from image.download import download
from inventory.errors import ConfigError

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


def test_image_on_top_of_another_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "base.qcow2", "-f", "qcow2", "-o", f"size={SIZE}")
    image = tmp_path / "overlay.qcow2"
    digest = make(image, "-f", "qcow2", "-b", str(tmp_path / "base.qcow2"), "-F", "qcow2")
    with pytest.raises(ConfigError, match=r"overlay of '.*base\.qcow2'"):
        download(str(image), digest, tmp_path / "cache")
