"""A member's file systems, made by its first process inside its own mount namespace.

The root is an overlay: below is the machine's own `/`, above is what the member wrote. Nothing of
this is visible outside the namespace, and all of it ends with the last process inside.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path

from farswitch.lab.run import ProgramError, run
from farswitch.lab.server_spec import ServerFile, ServerSpec

LAYERS = ("/", "/usr", "/var", "/var/lib", "/opt")
"""An overlay does not show what is mounted below `/`: these get one of their own where they are
mounts."""
DEVICES = {
    "fuse": 0o666, "full": 0o666, "kvm": 0o660, "net/tun": 0o666, "null": 0o666, "random": 0o666,
    "tty": 0o666, "urandom": 0o666, "vhost-net": 0o660, "zero": 0o666,
}  # fmt: skip
"""Devices that a member gets if the machine has them, with the modes that udev would give."""
_MADE = "made"
_OPTIONS = "index=off,metacopy=off"  # the layer below may change while it is mounted


def assemble(spec: ServerSpec) -> None:
    """Make the member's file systems and move into them.

    Raises:
        ProgramError: A mount was refused.
    """
    storage = Path(spec.storage)
    storage.mkdir(parents=True, exist_ok=True)
    try:
        root = _overlays(storage, spec)
    except ProgramError:
        # The disk below cannot be an upper layer (an overlay itself, or NFS): write to memory.
        run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(storage)])
        root = _overlays(storage, spec)
    made = storage / _MADE
    if not made.exists():
        for file in spec.files:
            _write(root, file)
        os.sync()  # a power cut may keep the name of a file and not its content
        made.touch()
    _kernel_file_systems(root)
    _devices(root / "dev")
    hidden = root / spec.hidden.lstrip("/")
    run(["mount", "-t", "tmpfs", "-o", "mode=0700,size=4k", "tmpfs", str(hidden)])
    _enter(root)


def is_lasting(storage: Path) -> bool:
    """Return whether a member was booted whose disk outlives it; one in memory is not seen here."""
    return (storage / _MADE).exists()


def _overlays(storage: Path, spec: ServerSpec) -> Path:
    fresh = not is_lasting(storage)  # the first boot, or one that was cut short
    if fresh:
        for name in ("upper", "work"):
            shutil.rmtree(storage / name, ignore_errors=True)
    layers = [layer for layer in LAYERS if layer == "/" or os.path.ismount(layer)]
    uppers = {layer: storage / "upper" / layer.replace("/", "-") for layer in layers}
    root = storage / "root"
    for layer, upper in uppers.items():
        work = storage / "work" / upper.name
        for folder in (upper, work, root):
            folder.mkdir(parents=True, exist_ok=True)
        _copy_owner(Path(layer), upper)
    if fresh:
        for name in spec.emptied:
            layer = max(filter(Path(name).is_relative_to, layers), key=len)
            _hide(Path(name), Path(layer), uppers[layer])
    for layer, upper in uppers.items():
        where = f"lowerdir={layer},upperdir={upper},workdir={storage / 'work' / upper.name}"
        target = str(root / layer.lstrip("/"))
        run(["mount", "-t", "overlay", "-o", f"{where},{_OPTIONS}", "overlay", target])
    return root


def _hide(folder: Path, layer: Path, upper: Path) -> None:
    """Put an empty folder into the upper layer that hides what the machine has there."""
    if not folder.is_dir():
        return
    above = upper
    for part in folder.relative_to(layer).parts:
        above /= part
        if not above.exists():
            above.mkdir()
            _copy_owner(layer / above.relative_to(upper), above)
    os.setxattr(above, "trusted.overlay.opaque", b"y")  # the kernel's overlayfs documentation


def _copy_owner(have: Path, want: Path) -> None:
    status = have.stat()
    os.chown(want, status.st_uid, status.st_gid)
    want.chmod(stat.S_IMODE(status.st_mode))


def _write(root: Path, file: ServerFile) -> None:
    path = root / file.path.lstrip("/")
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # it may be a link to somewhere else
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode)
    with os.fdopen(handle, "w") as stream:
        stream.write(file.content)


def _kernel_file_systems(root: Path) -> None:
    run(["mount", "-t", "proc", "proc", str(root / "proc")])
    run(["mount", "-t", "sysfs", "sysfs", str(root / "sys")])  # of this network namespace
    # kernel.*, vm.* and fs.* are the whole machine's: only the namespace's own keys are writable.
    settings, own = str(root / "proc/sys"), str(root / "proc/sys/net")
    run(["mount", "--bind", settings, settings])
    run(["mount", "--bind", own, own])
    run(["mount", "-o", "remount,bind,ro", settings])
    run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(root / "run")])
    run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", str(root / "tmp")])
    for name in ("lock", "sshd"):
        (root / "run" / name).mkdir(mode=0o755)


def _devices(dev: Path) -> None:
    run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(dev)])
    for name, mode in DEVICES.items():
        have = Path("/dev", name)
        # libvirt asks QEMU again for all it can do, 16 times a domain, where the device is there
        # but cannot be used.
        if not have.exists() or (name == "kvm" and not virtualises()):
            continue
        node = dev / name
        node.parent.mkdir(exist_ok=True)
        os.mknod(node, stat.S_IFCHR | mode, have.stat().st_rdev)
        node.chmod(mode)  # whatever the umask is
        if name == "kvm":
            with contextlib.suppress(LookupError):  # no such group
                shutil.chown(node, group="kvm")
    for name, options in (("pts", "newinstance,ptmxmode=0666,mode=0620,gid=5"), ("shm", "")):
        (dev / name).mkdir()
        kind = "devpts" if name == "pts" else "tmpfs"
        run(["mount", "-t", kind, "-o", options or "mode=1777", kind, str(dev / name)])
    for name, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "fd/0"),
                         ("stdout", "fd/1"), ("stderr", "fd/2")):  # fmt: skip
        (dev / name).symlink_to(target)


def virtualises() -> bool:
    """Return whether the processor has virtualisation; KVM's device alone proves nothing."""
    flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split()
    return bool({"vmx", "svm"}.intersection(flags))


def _enter(root: Path) -> None:
    old = root / "mnt"
    run(["pivot_root", str(root), str(old)])
    os.chdir("/")
    run(["umount", "--lazy", "/mnt"])
