"""The benchmark's own site and lab, beside whatever else is on the machine."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import TypeVar

import click

from farswitch.errors import FarswitchError
from farswitch.lab import control
from farswitch.lab.addresses import Lab
from farswitch.model.cluster import Cluster, cluster
from farswitch.site.loader import load_site

T = TypeVar("T")
LAB = Lab("fsbench", IPv4Network("198.18.250.0/24"), IPv4Network("198.19.250.0/24"))
"""Both subnets are for benchmarks (RFC 2544)."""
NETWORKS = ("10.96.0", "10.97.0")
"""Of data and management, without the guest's number."""
_DEFAULTS = """\
data:
  cluster: fsbench
  vni_base: 9601
  data_network: {data}.0/{prefix}
  management_network: {management}.0/{prefix}
  lab: {{name: {lab.name}, controller_network: {lab.control}, underlay_network: {lab.underlay}}}
"""
_GROUPS = """\
hypervisor:
  data: {{key_file: {lab.key}, known_hosts: {lab.known_hosts}}}
switch:
  data: {{key_file: {lab.key}, known_hosts: {lab.known_hosts}}}
guest: {{}}
"""
_SERVER = "{name}: {{hostname: {login}, groups: [{role}], data: {{underlay: {underlay}}}}}\n"


@dataclass(frozen=True, slots=True)
class Bench:
    """The site's folder and the cluster that it describes."""

    folder: Path
    cluster: Cluster

    @property
    def state(self) -> Path:
        """Where a workflow keeps what is its user's (XDG_STATE_HOME)."""
        return self.folder.parent / "state"

    @property
    def ssh_config(self) -> Path:
        """What a build writes for its user's `ssh -F`."""
        return self.state / "farswitch/clusters" / self.cluster.name / "ssh_config"


def write_site(folder: Path, guests: int, prefix: int = 24, lab: Lab = LAB) -> Bench:
    """Write the site's files into a folder of its own below `folder`.

    Both networks of the guests have the prefix.
    """
    site = folder / "site"
    site.mkdir()
    data, management = NETWORKS
    defaults = _DEFAULTS.format(lab=lab, data=data, management=management, prefix=prefix)
    hosts = "".join(
        _SERVER.format(
            name=member.name,
            login=lab.address(member).ip,
            role="hypervisor" if member.hypervisor else "switch",
            underlay=lab.underlay_address(member).ip,
        )
        for member in lab.members
    )
    (site / "defaults.yaml").write_text(defaults)
    (site / "groups.yaml").write_text(_GROUPS.format(lab=lab))
    (site / "hosts.yaml").write_text(f"{hosts}node[1-{guests}]: {{groups: [guest]}}\n")
    return Bench(site, cluster(load_site(str(site))))


def in_folder(measure: Callable[[Path, Callable[[str], None]], T]) -> T:
    """Measure in a folder that is gone afterwards, also after a SIGTERM.

    `measure` gets the folder, and a function that reports how far it is.

    Raises:
        click.ClickException: What farswitch or the benchmark failed on.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with tempfile.TemporaryDirectory(prefix="farswitch-") as folder:
            return measure(Path(folder), lambda line: print(line, flush=True))
    except FarswitchError as error:
        raise click.ClickException(f"{error} {error.hint}".strip()) from error


@contextmanager
def open_lab(lab: Lab = LAB) -> Iterator[Lab]:
    """Raise a lab of the benchmark's own; it is gone afterwards, with all that was built on it.

    Raises:
        FarswitchError: It is there already.
    """
    if any(member.pid is not None for member in control.status(lab).members):
        raise FarswitchError(
            f"Lab '{lab.name}' is up: another benchmark runs, or one was killed.",
            hint=f"End it: farswitch lab down --name {lab.name} "
            f"--control {lab.control} --underlay {lab.underlay}",
        )
    try:
        control.up(lab)
        yield lab
    finally:
        control.down(lab)
