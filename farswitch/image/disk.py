"""Disks made from a tree without a loop device or a mount."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from farswitch.image.root_tree import Progress, run

MIB = 1 << 20
VIRTUAL_SIZE = 4096 * MIB
"""Bytes that the guest sees; sparse, and a larger overlay is grown into at the first boot."""
FAST_LABEL = "farswitch"
"""What the initrd looks for; see `guest/init`."""
STOCK_LABEL = "rootfs"
BOOT_START, BOOT_SIZE = 1 * MIB, 63 * MIB
ROOT_START = BOOT_START + BOOT_SIZE
BOOT_CODE = Path("/usr/lib/syslinux/mbr/mbr.bin")
BOOT_CODE_SIZE = 440
"""What a master boot record has room for before its disk signature."""
STOCK_COMMAND_LINE = f"root=LABEL={STOCK_LABEL} ro console=ttyS0"
SYSLINUX = f"""DEFAULT linux
LABEL linux
  LINUX vmlinuz
  INITRD initrd.img
  APPEND {STOCK_COMMAND_LINE}
"""


def fast(tree: Path, disk: Path, progress: Progress) -> None:
    """Write the tree to a qcow2 disk that is one ext4 file system, without a partition table.

    Raises:
        ImageError: The tree does not fit, or a program failed.
    """
    raw = disk.with_suffix(".raw")
    _allocate(raw)
    _file_system(tree, raw, FAST_LABEL, ())
    _compress(raw, disk, progress)


def stock(tree: Path, disk: Path, progress: Progress) -> None:
    """Write the tree to a qcow2 disk that BIOS firmware boots, as a cloud image is.

    A small FAT partition holds the boot loader, the kernel and its initrd; the root follows it and
    ends the disk, so that it can be grown.

    Raises:
        ImageError: The tree does not fit, or a program failed.
    """
    raw, boot = disk.with_suffix(".raw"), disk.with_suffix(".boot")
    _allocate(raw)
    table = (
        "label: dos\n"
        f"start={BOOT_START // 512}, size={BOOT_SIZE // 512}, type=e, bootable\n"
        f"start={ROOT_START // 512}, type=83\n"
    )
    run(("sfdisk", "--quiet", str(raw)), stdin=table.encode())
    _boot_partition(tree, boot)
    with raw.open("r+b") as file:
        file.write(BOOT_CODE.read_bytes()[:BOOT_CODE_SIZE])
        file.seek(BOOT_START)
        file.write(boot.read_bytes())
    boot.unlink()
    (tree / "etc/fstab").write_text(f"LABEL={STOCK_LABEL} / ext4 errors=remount-ro 0 1\n")
    _file_system(tree, raw, STOCK_LABEL, ("-E", f"offset={ROOT_START}"))
    _compress(raw, disk, progress)


def _boot_partition(tree: Path, boot: Path) -> None:
    kernel = next((tree / "boot").glob("vmlinuz-*"))
    initrd = next((tree / "boot").glob("initrd.img-*"))
    settings = boot.with_suffix(".cfg")
    settings.write_text(SYSLINUX)
    with boot.open("wb") as file:
        file.truncate(BOOT_SIZE)
    run(("mformat", "-i", str(boot), "-v", "BOOT", "-h", "64", "-s", "32", "-H", "2048", "::"))
    names = {"vmlinuz": kernel, "initrd.img": initrd, "syslinux.cfg": settings}
    for name, source in names.items():
        run(("mcopy", "-i", str(boot), str(source), f"::{name}"))
    run(("syslinux", "--install", str(boot)))
    settings.unlink()


def _allocate(raw: Path) -> None:
    with raw.open("wb") as file:
        file.truncate(VIRTUAL_SIZE)


def _file_system(tree: Path, raw: Path, label: str, options: Sequence[str]) -> None:
    start = ROOT_START if options else 0
    blocks = (VIRTUAL_SIZE - start) // 4096
    run(
        (
            *("mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "1", "-L", label),
            *("-d", str(tree), *options, str(raw), str(blocks)),
        )
    )


def _compress(raw: Path, disk: Path, progress: Progress) -> None:
    progress("Packing the disk")
    qcow2 = ("-f", "raw", "-O", "qcow2", "-c", "-o", "compression_type=zstd")
    run(("qemu-img", "convert", *qcow2, str(raw), str(disk)))
    raw.unlink()
