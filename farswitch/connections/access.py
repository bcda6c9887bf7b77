"""A task's way to its host's connections."""

from __future__ import annotations

from typing import cast

from nornir.core.inventory import Host
from nornir.core.plugins.connections import ConnectionPluginRegister
from nornir.core.task import Task

from farswitch.connections.libvirt.plugin import Hypervisor, Libvirt
from farswitch.connections.netlink.plugin import Endpoint, Netlink
from farswitch.connections.open_once import opened
from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.plugin import ShellConnection


def register() -> None:
    """Make the three connection plugins known to Nornir, also from a checkout; twice is fine."""
    ConnectionPluginRegister.register("shell", ShellConnection)
    ConnectionPluginRegister.register("netlink", Netlink)
    ConnectionPluginRegister.register("libvirt", Libvirt)


def shell(where: Task | Host) -> Shell:
    """Return the shell of the task's host, opened at the first call."""
    return cast("Shell", _opened(where, "shell"))


def netlink(where: Task | Host) -> Endpoint:
    """Return the netlink endpoint of the task's host, over the login of its shell."""
    return cast("Endpoint", _opened(where, "netlink", options_of="shell"))


def libvirt(where: Task | Host) -> Hypervisor:
    """Return the libvirt connection of the task's host: a hypervisor."""
    return cast("Hypervisor", _opened(where, "libvirt"))


def libvirt_versions(host: Host) -> dict[str, str]:
    """Return what a host's libvirt connection was told at its start; nothing where it has none."""
    connection = host.connections.get("libvirt")
    return cast("Hypervisor", connection.connection).versions if connection else {}


def _opened(where: Task | Host, name: str, *, options_of: str = "") -> object:
    if isinstance(where, Task):
        return opened(where.host, name, where.nornir.config, options_of=options_of)
    return opened(where, name, options_of=options_of)
