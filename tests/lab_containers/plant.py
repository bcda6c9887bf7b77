"""Makes all that a cluster has on servers, but for guests that run: `python plant.py SITE LOG`.

The build's own stages do it, up to the first boot; each guest has a disk, a seed and a definition.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from farswitch.connections import access
from farswitch.guests.base_image import wanted_image
from farswitch.guests.domain import Hardware, Mark, render, seed_volume
from farswitch.guests.pool import ensure
from farswitch.run.cli import Options
from farswitch.run.locking import fenced, locked
from farswitch.run.session import Session
from farswitch.run.stages import Stage
from workflows import build


def without_guests(session: Session) -> Iterator[Stage]:
    for stage in build.stages(session):
        names = {step.name for step in stage.steps}
        if "vm_boot" in names:
            return
        if not names & {"image_source", "image"}:
            yield stage


def define_guests(session: Session) -> None:
    cluster, hypervisor = session.cluster, access.libvirt(session.head_host)
    pool, folder = cluster.settings.pool, cluster.settings.pool_path
    ensure(hypervisor, access.shell(session.head_host), pool, folder)
    base = wanted_image(cluster.settings).base
    hypervisor.upload(pool, base.disk_volume, b"image", 5)
    hardware = Hardware("qemu", 1450, folder, base)
    for guest in cluster.guests:
        mark = Mark(cluster.name, guest.name, "ready", base.name, 1)
        hypervisor.upload(pool, mark.disk_volume, b"disk", 4)
        hypervisor.upload(pool, seed_volume(guest), b"seed", 4)
        hypervisor.define(render(guest, mark, hardware, seed=True))


def main() -> int:
    with Session("build", Options(site=sys.argv[1], log=sys.argv[2])) as session:
        with locked(session):
            session.read_record()
            session.run(fenced(session, without_guests(session)))
            if not session.recorder.failures:
                define_guests(session)
        return session.finish()


if __name__ == "__main__":
    sys.exit(main())
