"""A guest on the test's hypervisor: built, and torn down, by the tasks that a workflow runs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nornir.core import Nornir
from nornir.core.inventory import Host, Hosts, Inventory
from nornir.core.task import Result
from nornir.plugins.runners import SerialRunner

from farswitch.errors import Obstacle
from farswitch.guests import storage
from farswitch.guests.base_image import LocalImage, WantedImage
from farswitch.guests.config import wanted_configs
from farswitch.guests.domain import Hardware
from farswitch.links.wanted_server import wanted_server
from farswitch.model.cluster import Cluster, cluster
from farswitch.model.settings import Image
from farswitch.site.loader import ROOT, load_site
from farswitch.state.record import complete
from tasks.image import image
from tasks.image_remove import image_remove
from tasks.vm_boot import vm_boot
from tasks.vm_remove import vm_remove
from tests.libvirt.libvirtd import Server

POOL_PATH = "/var/lib/libvirt/images/farswitch"
SHA256 = "ab" * 32
BASE = f"base-user-{SHA256[:16]}.qcow2"
NODE1 = "lab-node1"
DISK1 = "lab.node1.1.qcow2"


@dataclass
class SmallCluster:
    """Its guests are started and never ready: they have no system."""

    server: Server
    folder: Path
    pool: str = "farswitch"
    pool_path: str = POOL_PATH
    guests: int = 1
    cluster: Cluster = field(init=False)
    image: Image = field(init=False)

    def __post_init__(self) -> None:
        self.disk = self.folder / "image.qcow2"
        self.image = Image(source=str(self.disk), sha256=SHA256)
        self.cluster = self._cluster()
        subprocess.run(["qemu-img", "create", "-qf", "qcow2", self.disk, "1M"], check=True)
        bridges = {self.cluster.management_bridge, *(one.bridge for one in self.cluster.guests)}
        for bridge in bridges:
            self.server.sh('ip link show "$1" || ip link add "$1" type bridge', bridge)

    def _cluster(self) -> Cluster:
        site = load_site(str(ROOT / "inventory/lab"))
        changes = {"pool": self.pool, "pool_path": self.pool_path, "image": self.image, "disk": 2}
        settings = site.settings.model_copy(update=changes)
        return cluster(replace(site, settings=settings), self.guests)

    @property
    def wanted(self) -> WantedImage:
        return WantedImage(self.image, 2, self.pool, self.pool_path)

    def preflight(self) -> list[Obstacle]:
        want = wanted_server(self.cluster, self.cluster.hypervisors[0])
        server = self.server
        return storage.look(want, server.shell, lambda: server.hypervisor, "qemu")

    def build(self, *, dry: bool = False) -> list[str]:
        """Return the lines of the diff."""
        lines = self.build_image(dry=dry)
        hardware = Hardware("qemu", 1450, self.pool_path, self.wanted.base)
        keys = complete(None, self.cluster)
        for guest in self.cluster.guests:
            lines += self._run(
                vm_boot,
                guest=guest,
                hypervisor=self.host,
                hardware=hardware,
                config=wanted_configs(self.cluster, keys)[guest.name],
                dry_run=dry,
            )
        return lines

    def build_image(self, *, dry: bool = False) -> list[str]:
        """Bring the pool and the image alone."""
        local = LocalImage(BASE.removesuffix(".qcow2"), self.disk, None, None, 1 << 20)
        return self._run(image, wanted=self.wanted, local=local, dry_run=dry)

    def teardown(self, *, dry: bool = False, site: bool = True) -> list[str]:
        """Return the lines of the diff; without a site the pool's folder is not known."""
        where = {"pool": self.pool, "pool_path": self.pool_path if site else "", "dry_run": dry}
        lines = self._run(vm_remove, owner=self.cluster.owner, **where)
        return lines + self._run(image_remove, without=self.cluster.name, **where)

    @property
    def host(self) -> Host:
        """The hypervisor, logged in to."""
        host = Host("server1")
        host.connections["shell"] = SimpleNamespace(connection=self.server.shell)
        host.connections["libvirt"] = SimpleNamespace(connection=self.server.hypervisor)
        return host

    def _run(self, task: Callable[..., Result], **options: Any) -> list[str]:
        nornir = Nornir(Inventory(Hosts({"server1": self.host})), runner=SerialRunner())
        (result,) = nornir.run(task, **options)["server1"]
        if result.exception:
            raise result.exception
        return str(result.diff).splitlines()
