"""Our initrd: modules after what they need, in an archive that cpio reads."""

import gzip
import subprocess
from pathlib import Path

import pytest

from farswitch.image.initrd import APPLETS, cpio, initrd, load_order
from farswitch.site.loader import ROOT

DEPENDENCIES = """\
block/virtio_blk.ko: virtio/virtio.ko virtio/virtio_ring.ko
virtio/virtio_ring.ko: virtio/virtio.ko
virtio/virtio.ko:
net/virtio-net.ko.xz: virtio/virtio_ring.ko virtio/virtio.ko
"""
VIRTIO = ["virtio/virtio.ko", "virtio/virtio_ring.ko"]


@pytest.mark.parametrize(
    ("wanted", "order"),
    [
        ([], []),
        (["virtio"], VIRTIO[:1]),
        (["virtio_ring"], VIRTIO),
        (["virtio_blk"], [*VIRTIO, "block/virtio_blk.ko"]),
        (["virtio_blk", "virtio"], [*VIRTIO, "block/virtio_blk.ko"]),
        (["virtio_net"], [*VIRTIO, "net/virtio-net.ko.xz"]),
        (["ext4"], []),
    ],
    ids=["none", "alone", "one-need", "needs-first", "once", "dash-and-suffix", "built-in"],
)
def test_module_comes_after_what_it_needs(wanted: list[str], order: list[str]) -> None:
    assert load_order(DEPENDENCIES, "kernel/fs/ext4/ext4.ko\n", wanted) == order


def test_unknown_module_is_named() -> None:
    with pytest.raises(LookupError, match="'floppy'"):
        load_order(DEPENDENCIES, "", ["floppy"])


def test_archive_is_read_by_cpio(tmp_path: Path) -> None:
    entries = [
        ("bin", 0o040755, b""),
        ("bin/busybox", 0o100755, b"program"),
        ("bin/sh", 0o120777, b"busybox"),
        ("odd", 0o100644, b"12345"),
    ]
    subprocess.run(["cpio", "--extract", "--quiet"], input=cpio(entries), cwd=tmp_path, check=True)
    assert (tmp_path / "bin/sh").readlink() == Path("busybox")
    assert (tmp_path / "bin/busybox").read_bytes() == b"program"
    assert (tmp_path / "bin/busybox").stat().st_mode == 0o100755
    assert (tmp_path / "odd").read_bytes() == b"12345"


def test_initrd_holds_script_busybox_and_modules(tmp_path: Path) -> None:
    tree, folder = tmp_path / "tree", tmp_path / "tree/usr/lib/modules/6.1"
    for line in DEPENDENCIES.splitlines()[:3]:
        module = folder / line.partition(":")[0]
        module.parent.mkdir(parents=True, exist_ok=True)
        module.write_bytes(module.name.encode())
    (folder / "modules.dep").write_text(DEPENDENCIES)
    (folder / "modules.builtin").write_text("kernel/fs/ext4/ext4.ko\n")
    (tree / "bin").mkdir()
    (tree / "bin/busybox").write_bytes(b"busybox")
    packed = initrd(tree, ("virtio_blk", "ext4"))
    assert packed == initrd(tree, ("virtio_blk", "ext4"))
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(
        ["cpio", "--extract", "--quiet"], input=gzip.decompress(packed), cwd=out, check=True
    )
    order = (out / "modules/order").read_text().split()
    assert order == ["virtio.ko", "virtio_ring.ko", "virtio_blk.ko"]
    assert (out / "modules/virtio_ring.ko").read_bytes() == b"virtio_ring.ko"
    assert (out / "init").read_text().startswith("#!/bin/sh")
    assert all((out / "bin" / applet).readlink() == Path("busybox") for applet in APPLETS)


def test_script_is_valid_shell_and_calls_only_what_is_there() -> None:
    script = ROOT / "farswitch/image/guest/init"
    subprocess.run(["sh", "-n", script], check=True)
    commands = {
        *("cat", "chown", "cp", "dd", "grep", "insmod", "ip", "mount", "mv", "poweroff"),
        *("switch_root", "sync", "tar", "umount"),
    }
    words = set(script.read_text().replace("(", " ").split())
    assert commands == {applet for applet in APPLETS if applet != "sh"}
    assert commands <= words
