"""What one guest gets at its first boot: one NoCloud disk that every kind of image reads."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface

import pycdlib

from farswitch.model.guest_file import File

LABEL = "CIDATA"
"""The volume label by which cloud-init and our initrd find the disk."""
ARCHIVE = "farswitch.tar"
"""What our own image unpacks; cloud-init does not look at it."""
SSHD_SETTINGS = """\
# Keys only; every node may log in to every other at the same moment.
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UseDNS no
MaxStartups 128
MaxSessions 64
HostKey /etc/ssh/ssh_host_ed25519_key
"""
SSHD_PATH = "/etc/ssh/sshd_config.d/05-farswitch.conf"
"""Before what distributions ship: sshd takes the first value that it reads."""


@dataclass(frozen=True, slots=True)
class Nic:
    """A network interface, known by its MAC; `mtu` in bytes of IP packet."""

    name: str
    mac: str
    address: IPv4Interface
    mtu: int | None = None
    gateway: IPv4Address | None = None


@dataclass(frozen=True, slots=True)
class User:
    """An account without a password; its group has its name and number."""

    name: str
    uid: int
    keys: tuple[str, ...] = ()

    @property
    def home(self) -> str:
        """The account's home directory."""
        return f"/home/{self.name}"


@dataclass(frozen=True, slots=True)
class Seed:
    """The identity and the files of one guest.

    `host_key` is an OpenSSH private key of type ed25519, `root_keys` are lines of root's
    authorized_keys, `units` are systemd units to enable, `mounts` are lines of fstab(5).
    """

    instance_id: str
    hostname: str
    nics: tuple[Nic, ...]
    host_key: bytes = field(repr=False)
    host_key_public: str
    root_keys: tuple[str, ...]
    user: User
    files: tuple[File, ...] = field(default=(), repr=False)
    units: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()

    @property
    def all_files(self) -> tuple[File, ...]:
        """The given files, and what belongs to ssh."""
        return (File(SSHD_PATH, SSHD_SETTINGS.encode()), *self.files)


def authorized_keys(keys: tuple[str, ...]) -> bytes:
    """Return the content of an authorized_keys file."""
    return "".join(f"{key.strip()}\n" for key in keys).encode()


def iso(members: dict[str, bytes], label: str = LABEL) -> bytes:
    """Return an ISO 9660 image with Rock Ridge and Joliet names.

    Args:
        members: File names and contents, all in the root folder.
        label: The volume label, at most 32 upper-case letters.
    """
    image = pycdlib.PyCdlib()
    image.new(interchange_level=3, rock_ridge="1.09", joliet=3, vol_ident=label)
    for number, (name, content) in enumerate(members.items()):
        image.add_fp(
            io.BytesIO(content),
            len(content),
            f"/FILE{number}.;1",
            rr_name=name,
            joliet_path=f"/{name}",
            file_mode=0o100400,
        )
    output = io.BytesIO()
    image.write_fp(output)
    image.close()
    return output.getvalue()
