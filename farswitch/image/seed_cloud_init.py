"""The same seed in cloud-init's words, for images that are not ours."""

from __future__ import annotations

import base64
import json

from farswitch.image.seed import ARCHIVE, Nic, Seed, iso
from farswitch.image.seed_archive import archive
from farswitch.model.guest_file import File

CloudConfig = dict[str, object]
IPV6_MIN_MTU = 1280
"""Bytes of the smallest MTU that IPv6 runs on (RFC 8200, section 5)."""

ADD_LINE = 'grep -qxF -- "$1" "$2" || printf "%s\\n" "$1" >>"$2"'
"""Adds a line that may be there already; cc_mounts would mount a share at once, and wait for it."""


def render(seed: Seed) -> bytes:
    """Return the NoCloud disk of one guest, as ISO 9660 with the label CIDATA.

    Both kinds of image reach the same state from it: a cloud image through cloud-init, ours
    through the archive.
    """
    return iso(
        {
            "user-data": b"#cloud-config\n" + _json(user_data(seed)),
            "meta-data": _json(meta_data(seed)),
            "network-config": _json(network_config(seed)),
            ARCHIVE: archive(seed),
        }
    )


def meta_data(seed: Seed) -> CloudConfig:
    """Return what names the instance; `local` lets cloud-init do all of it before the network."""
    return {
        "instance-id": seed.instance_id,
        "local-hostname": seed.hostname,
        "dsmode": "local",
    }


def network_config(seed: Seed) -> CloudConfig:
    """Return the network in cloud-init's version 2, each NIC matched by its MAC."""
    return {
        "version": 2,
        "renderer": "networkd",
        "ethernets": {nic.name: _ethernet(nic) for nic in seed.nics},
    }


def user_data(seed: Seed) -> CloudConfig:
    """Return the cloud-config of one guest: keys only, no password, no generated host key."""
    user = seed.user
    return {
        "hostname": seed.hostname,
        "preserve_hostname": False,
        "manage_etc_hosts": False,
        "disable_root": False,
        "ssh_pwauth": False,
        "ssh_deletekeys": True,
        "ssh_keys": {
            "ed25519_private": seed.host_key.decode(),
            "ed25519_public": seed.host_key_public.strip(),
        },
        "ssh_publish_hostkeys": {"enabled": False},
        "no_ssh_fingerprints": True,
        "users": [
            {"name": "root", "lock_passwd": True, "ssh_authorized_keys": list(seed.root_keys)},
            {
                "name": user.name,
                "uid": user.uid,
                "homedir": user.home,
                "shell": "/bin/bash",
                "lock_passwd": True,
                "ssh_authorized_keys": list(user.keys),
            },
        ],
        "write_files": [_file(file) for file in seed.all_files],
        "runcmd": _commands(seed),
        # Foreign messages would not match what we look for; generating a locale takes seconds
        "locale": "C.UTF-8",
        "package_update": False,
        "package_upgrade": False,
    }


def _commands(seed: Seed) -> list[list[str]]:
    """What runs at the end of the first boot."""
    commands = [["sh", "-c", ADD_LINE, "sh", line, "/etc/fstab"] for line in seed.mounts]
    if seed.mounts:
        commands.append(["systemctl", "daemon-reload"])
        # Starts the automounts of the new lines; nothing is mounted until it is looked at
        commands.append(["systemctl", "restart", "remote-fs.target"])
    # cloud-init writes files after systemd has made what tmpfiles.d(5) asks for
    folders = [file.path for file in seed.all_files if file.path.startswith("/etc/tmpfiles.d/")]
    if folders:
        commands.append(["systemd-tmpfiles", "--create", *folders])
    if seed.units:
        commands.append(["systemctl", "enable", "--now", *seed.units])
    return commands


def _ethernet(nic: Nic) -> CloudConfig:
    ethernet: CloudConfig = {
        "match": {"macaddress": nic.mac.lower()},
        "set-name": nic.name,
        "addresses": [str(nic.address)],
        "dhcp4": False,
        "dhcp6": False,
    }
    if nic.mtu:
        ethernet["mtu"] = nic.mtu
        if nic.mtu < IPV6_MIN_MTU:  # else systemd-networkd asks for no less
            ethernet["link-local"] = []
            ethernet["accept-ra"] = False
    if nic.gateway:
        ethernet["routes"] = [{"to": "0.0.0.0/0", "via": str(nic.gateway)}]
    return ethernet


def _file(file: File) -> CloudConfig:
    return {
        "path": file.path,
        "encoding": "b64",
        "content": base64.b64encode(file.content).decode(),
        "permissions": f"{file.mode:04o}",
        "owner": file.owner,
        # What belongs to the user waits until the user is there
        "defer": file.owner != "root:root",
    }


def _json(document: CloudConfig) -> bytes:
    """JSON is YAML, and needs no library that quotes it right."""
    return (json.dumps(document, indent=1) + "\n").encode()
