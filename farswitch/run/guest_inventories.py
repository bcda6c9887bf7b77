"""The guests as inventories of other tools, which reach them by the cluster's `ssh_config`."""

from __future__ import annotations

import io
import shlex
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from farswitch.site.netmiko_options import of_guest
from farswitch.site.plugin import GUEST_USER, guest_data

GROUP = "guest"
"""As in farswitch's own inventory."""
PYTHON = "/usr/bin/python3"


def ansible(cluster: Cluster, configuration: Path) -> str:
    """Return an inventory of Ansible; who logs in is `ssh_config`'s user, or Ansible's `-u`."""
    arguments = f"-F {shlex.quote(str(configuration))}"
    variables = {"ansible_ssh_common_args": arguments, "ansible_python_interpreter": PYTHON}
    hosts = {guest.name: _facts(guest) for guest in cluster.guests}
    return _yaml({"guests": {"hosts": hosts, "vars": variables}})


def nornir_hosts(cluster: Cluster) -> str:
    """Return the `hosts.yaml` of Nornir's SimpleInventory."""
    return _yaml(
        {
            guest.name: {"hostname": guest.name, "groups": [GROUP], "data": guest_data(guest)}
            for guest in cluster.guests
        }
    )


def nornir_groups(cluster: Cluster, configuration: Path) -> str:
    """Return the `groups.yaml` beside it, with farswitch's connection and nornir-netmiko's."""
    connections = {
        "shell": {"extras": {"ssh_config": str(configuration)}},
        "netmiko": {"extras": of_guest(cluster.head).extras},
    }
    group = {"username": GUEST_USER, "platform": "linux", "connection_options": connections}
    return _yaml({GROUP: group})


def _facts(guest: Guest) -> dict[str, Any]:
    """Return a guest's data under names that are no words of Ansible's own, as `role` is."""
    return {name: value for name, value in guest_data(guest).items() if name != "role"}


def _yaml(document: dict[str, Any]) -> str:
    yaml, text = YAML(typ="safe", pure=True), io.StringIO()
    yaml.default_flow_style = False
    yaml.width = 1 << 16
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(document, text)
    return text.getvalue()
