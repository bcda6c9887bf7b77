"""The guest image, made once for each recipe and kept in a cache."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from farswitch.errors import FarswitchError
from farswitch.image import disk, initrd, root_tree, sums
from farswitch.image.cache import ROOT_CACHE, default_cache, lock
from farswitch.image.recipe import GUEST, Recipe
from farswitch.image.root_tree import Progress

SUMS = "sums.json"
COMMAND_LINE = "console=ttyS0 net.ifnames=0 loglevel=5 systemd.show_status=auto"
"""Errors and units that fail or are slow reach the console; the rest of the boot prints nothing."""


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """A disk in qcow2 format and how it is started; sizes in bytes.

    Without `kernel` the disk boots itself by BIOS firmware.
    """

    disk: Path
    kernel: Path | None
    initrd: Path | None
    cmdline: str
    digest: str
    virtual_size: int


def build(
    recipe: Recipe,
    cache: Path | None = None,
    *,
    stock: bool = False,
    progress: Progress = lambda _line: None,
) -> BuiltImage:
    """Return the image of a recipe, made now if the cache has none that is as it was made.

    Args:
        recipe: What goes into it.
        cache: The folder to keep it in; the user's own when not given. A user other than root also
            gets what is in root's.
        stock: Make the ordinary cloud image of the same packages instead of ours.
        progress: Gets what goes on, line by line.

    Raises:
        ImageError: A program failed; its last lines are in the message.
        FarswitchError: The image is not there and this user cannot make it.
    """
    cache = cache or default_cache()
    name = f"{'stock' if stock else 'fast'}-{recipe.digest[:16]}"
    image = cache / name
    more = () if os.geteuid() == 0 else (ROOT_CACHE / name,)  # a user reads what root has made
    for place in (image, *more):
        if _good(place):
            return _built(recipe, place)
    _require_root(image)
    with lock(cache, name):
        if image.is_dir() and not _good(image):
            progress("The image in the cache is not as it was made: making it anew")
            shutil.rmtree(image)
        if not image.is_dir():
            _make(recipe, image, stock=stock, progress=progress)
    return _built(recipe, image)


def _good(image: Path) -> bool:
    """Whether it is there as it was made."""
    return image.is_dir() and sums.intact(image / SUMS)


def _make(recipe: Recipe, image: Path, *, stock: bool, progress: Progress) -> None:
    # Whoever holds the lock is the only one: what stands here was left by a build that was killed
    partial = image.with_name(f".{image.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o755)
    root = partial / "tree"
    try:
        root_tree.make(recipe, root, progress)
        if stock:
            disk.stock(root, partial / "disk.qcow2", progress)
        else:
            _make_fast(recipe, root, partial, progress)
        shutil.rmtree(root)
        (partial / "recipe.json").write_text(json.dumps({"digest": recipe.digest}) + "\n")
        sums.seal(partial / SUMS, sorted(path for path in partial.iterdir() if path.is_file()))
        os.sync()
        partial.rename(image)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _make_fast(recipe: Recipe, root: Path, target: Path, progress: Progress) -> None:
    vmlinuz = next((root / "boot").glob("vmlinuz-*"))
    shutil.copyfile(vmlinuz, target / "kernel")
    (target / "initrd").write_bytes(initrd.initrd(root, recipe.modules))
    for file in (root / "boot").iterdir():
        file.unlink()
    root_tree.lay_over(GUEST / "fast", root)
    for unit in recipe.masked:
        mask = root / "etc/systemd" / unit
        mask.parent.mkdir(exist_ok=True)
        mask.unlink(missing_ok=True)
        mask.symlink_to("/dev/null")
    (root / "etc/cloud/cloud-init.disabled").touch()
    (root / "etc/fstab").write_text("# The initrd mounts the root disk.\n")
    (root / "etc/farswitch").mkdir()
    (root / "etc/farswitch/sectors").write_text(f"{disk.VIRTUAL_SIZE // 512}\n")
    root_tree.run(("chroot", str(root), "systemctl", "reenable", "ssh.service"))
    root_tree.run(("chroot", str(root), "systemctl", "enable", "farswitch-grow.service"))
    disk.fast(root, target / "disk.qcow2", progress)


def _built(recipe: Recipe, image: Path) -> BuiltImage:
    direct = (image / "kernel").exists()
    return BuiltImage(
        disk=image / "disk.qcow2",
        kernel=image / "kernel" if direct else None,
        initrd=image / "initrd" if direct else None,
        cmdline=COMMAND_LINE if direct else "",
        digest=recipe.digest,
        virtual_size=disk.VIRTUAL_SIZE,
    )


def _require_root(image: Path) -> None:
    if os.geteuid() != 0:
        raise FarswitchError(
            f"The guest image '{image}' is not there, and only root can make one.",
            hint="Run once as root: python -m farswitch.image",
        )
