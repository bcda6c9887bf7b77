"""What a disk image from elsewhere is, read from its first bytes by ourselves.

QEMU's guess of a format is not asked for: an image whose first bytes claim another format could
make it open files of the machine that it runs on. A qcow2 image names such files only in its
header, and one that names any is refused before QEMU sees it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from farswitch.errors import ConfigError

Format = Literal["qcow2", "raw"]
MAGIC = b"QFI\xfb"
FIELDS = struct.Struct(">4sIQIIQI")
"""QEMU's docs/interop/qcow2: magic, version, where the name of a backing file is and its length,
cluster size, virtual size, encryption."""
FEATURES_AT, FEATURES = 72, struct.Struct(">Q")
"""The incompatible features of version 3."""
CORRUPT, DATA_FILE = 1 << 1, 1 << 2
LONGEST_NAME, LARGEST_CLUSTER = 1023, 2 << 20
"""The name of a backing file lies in the first cluster."""
SECTOR = 512
OTHERS = {
    b"KDMV": "VMDK",
    b"# Disk DescriptorFile": "VMDK",
    b"conectix": "VPC",
    b"vhdxfile": "VHDX",
    b"<<< ": "VDI",
    b"QED\0": "QED",
    b"LUKS\xba\xbe": "LUKS",
}
"""First bytes of formats that would otherwise pass for a raw disk that no guest starts from."""


@dataclass(frozen=True, slots=True)
class Header:
    """The format of an image, and the bytes that a guest sees of it."""

    format: Format
    virtual_size: int


def read(path: Path, source: str) -> Header:
    """Return what an image is; messages call it by its source.

    Raises:
        ConfigError: It is no image that stands alone.
    """
    with path.open("rb") as file:
        start = file.read(FEATURES_AT + FEATURES.size)
        if start.startswith(MAGIC):
            return _qcow2(file, start, source)
    for magic, name in OTHERS.items():
        if start.startswith(magic):
            raise ConfigError(
                f"The image '{source}' has the format {name}: wanted qcow2 or raw.",
                hint="Convert it: qemu-img convert -O qcow2",
            )
    size = path.stat().st_size
    if not size:
        raise ConfigError(f"The image '{source}' is no disk image: it is empty.")
    return Header("raw", -(-size // SECTOR) * SECTOR)


def _qcow2(file: BinaryIO, start: bytes, source: str) -> Header:
    if len(start) < FIELDS.size:
        raise ConfigError(f"The image '{source}' is no disk image: its header is cut off.")
    _, version, name_at, name_size, _, size, encryption = FIELDS.unpack_from(start)
    if version not in {2, 3}:
        raise ConfigError(f"The image '{source}' is qcow of version {version}: wanted 2 or 3.")
    if name_at:
        file.seek(min(name_at, LARGEST_CLUSTER))
        name = file.read(min(name_size, LONGEST_NAME)).decode(errors="replace")
        raise ConfigError(
            f"The image '{source}' is an overlay of {name!a}: wanted an image that stands alone.",
            hint="Flatten it with qemu-img convert.",
        )
    features = 0
    if version > 2 and len(start) >= FEATURES_AT + FEATURES.size:  # noqa: PLR2004 - 2 has none
        (features,) = FEATURES.unpack_from(start, FEATURES_AT)
    faults = {
        "keeps its data in another file": features & DATA_FILE,
        "is marked as corrupt": features & CORRUPT,
        "is encrypted": encryption,
    }
    for fault in (fault for fault, found in faults.items() if found):
        raise ConfigError(f"The image '{source}' {fault}: wanted an image that stands alone.")
    return Header("qcow2", size)
