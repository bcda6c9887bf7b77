"""The archive that our own image unpacks over its root disk."""

from __future__ import annotations

import io
import tarfile
from pathlib import PurePosixPath

from farswitch.image.seed import Nic, Seed, authorized_keys
from farswitch.model.guest_file import File

INSTANCE = "/var/lib/farswitch/instance.new"
GUEST = "/etc/farswitch/guest"
"""What the initrd sets at each boot: one line a user or NIC, see `guest/init`."""
FSTAB = "# The initrd mounts the root disk.\n"


def archive(seed: Seed) -> bytes:
    """Return a tar archive with the guest's whole identity; equal seeds give equal bytes."""
    files = [
        File(INSTANCE, f"{seed.instance_id}\n".encode()),
        File(GUEST, _guest(seed).encode()),
        File("/etc/hostname", f"{seed.hostname}\n".encode()),
        File("/etc/fstab", "".join((FSTAB, *(f"{line}\n" for line in seed.mounts))).encode()),
        File("/etc/ssh/ssh_host_ed25519_key", seed.host_key, 0o600),
        File("/etc/ssh/ssh_host_ed25519_key.pub", f"{seed.host_key_public.strip()}\n".encode()),
        File("/root/.ssh/authorized_keys", authorized_keys(seed.root_keys), 0o600),
        File(
            f"{seed.user.home}/.ssh/authorized_keys",
            authorized_keys(seed.user.keys),
            0o600,
            f"{seed.user.name}:{seed.user.name}",
        ),
        *seed.all_files,
    ]
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.GNU_FORMAT) as tar:
        made: set[str] = set()
        for file in files:
            _add_folders(tar, file, seed, made)
            tar.addfile(_entry(file, seed), io.BytesIO(file.content))
        for unit in seed.units:
            link = tarfile.TarInfo(f"etc/systemd/system/multi-user.target.wants/{unit}")
            link.type, link.linkname = tarfile.SYMTYPE, f"/lib/systemd/system/{unit}"
            tar.addfile(link)
    return output.getvalue()


def _guest(seed: Seed) -> str:
    lines = [f"user {seed.user.name} {seed.user.uid}", *(_nic(nic) for nic in seed.nics)]
    return "".join(f"{line}\n" for line in lines)


def _nic(nic: Nic) -> str:
    return f"nic {nic.name} {nic.mac.lower()} {nic.address} {nic.mtu or '-'} {nic.gateway or '-'}"


def _entry(file: File, seed: Seed) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(file.path.lstrip("/"))
    entry.size, entry.mode = len(file.content), file.mode
    entry.uid = entry.gid = _number(file, seed)
    return entry


def _number(file: File, seed: Seed) -> int:
    return seed.user.uid if file.owner.startswith(f"{seed.user.name}:") else 0


def _add_folders(tar: tarfile.TarFile, file: File, seed: Seed, made: set[str]) -> None:
    """Add the folders above a file that ssh wants private or that belong to the user."""
    for parent in reversed(PurePosixPath(file.path).parents):
        private = parent.name == ".ssh"
        below_home = parent.is_relative_to(PurePosixPath(seed.user.home))
        if str(parent) in made or not (private or below_home):
            continue
        made.add(str(parent))
        folder = tarfile.TarInfo(str(parent).lstrip("/"))
        folder.type, folder.mode = tarfile.DIRTYPE, 0o700 if private else 0o755
        folder.uid = folder.gid = seed.user.uid if below_home else 0
        tar.addfile(folder)
