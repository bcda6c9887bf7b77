"""Our own initrd: nothing in it that a guest of ours does not need to start."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Iterable, Sequence
from pathlib import Path

from farswitch.image.recipe import GUEST

APPLETS = tuple(
    "sh cat chown cp dd grep insmod ip mount mv poweroff switch_root sync tar umount".split()  # noqa: SIM905 - a list to read
)
"""What our script calls."""
FOLDERS = ("bin", "dev", "modules", "proc", "root", "seed", "sys")


def load_order(dependencies: str, built_in: str, wanted: Iterable[str]) -> list[str]:
    """Return the module files to load, each after what it needs.

    Args:
        dependencies: Text of modules.dep.
        built_in: Text of modules.builtin; what stands there needs no file.
        wanted: Names of modules, as in `virtio_blk`.

    Raises:
        LookupError: A module is neither a file nor built in.
    """
    files = {}
    for line in dependencies.splitlines():
        path, _, needs = line.partition(":")
        files[_name(path)] = (path, [_name(need) for need in needs.split()])
    ready = {_name(path) for path in built_in.split()}
    order: list[str] = []

    def load(name: str) -> None:
        if name in ready:
            return
        if name not in files:
            raise LookupError(f"The guest's kernel has no module '{name}'.")
        ready.add(name)
        path, needs = files[name]
        # modules.dep lists a module's needs with the one to load first at the end
        for need in reversed(needs):
            load(need)
        order.append(path)

    for name in wanted:
        load(name)
    return order


def initrd(tree: Path, modules: Sequence[str]) -> bytes:
    """Return a compressed cpio archive: one static busybox, our script, the modules to load.

    The root tree must have exactly one kernel.
    """
    folder = next((tree / "usr/lib/modules").iterdir())
    order = load_order(
        (folder / "modules.dep").read_text(), (folder / "modules.builtin").read_text(), modules
    )
    entries = [(name, 0o040755, b"") for name in FOLDERS]
    entries += [
        ("bin/busybox", 0o100755, (tree / "bin/busybox").read_bytes()),
        ("init", 0o100755, (GUEST / "init").read_bytes()),
    ]
    names = []
    for path in order:
        names.append(f"{_name(path)}.ko")
        entries.append((f"modules/{names[-1]}", 0o100644, _unpacked(folder / path)))
    entries.append(("modules/order", 0o100644, "".join(f"{name}\n" for name in names).encode()))
    entries += [(f"bin/{applet}", 0o120777, b"busybox") for applet in APPLETS]
    return gzip.compress(cpio(entries), compresslevel=9, mtime=0)


def cpio(entries: Iterable[tuple[str, int, bytes]]) -> bytes:
    """Return a newc archive (the kernel's Documentation/driver-api/early-userspace/buffer-format).

    Args:
        entries: Name, mode with the file's type, and content (of a link: its target).
    """
    archive = bytearray()
    numbered = [*enumerate(entries, start=1), (0, ("TRAILER!!!", 0, b""))]
    for inode, (name, mode, content) in numbered:
        # inode, mode, uid, gid, links, mtime, size, device 2x, rdevice 2x, name's size, checksum
        header = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        archive += b"070701" + b"".join(b"%08X" % field for field in header)
        archive += name.encode() + b"\0"
        archive += bytes(-len(archive) % 4)
        archive += content
        archive += bytes(-len(archive) % 4)
    return bytes(archive)


def _name(path: str) -> str:
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    return lzma.decompress(content) if path.suffix == ".xz" else content
