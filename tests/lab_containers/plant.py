"""Makes all that a cluster has on servers, but for guests that run: `python plant.py SITE LOG`.

The build's own stages do it, up to the first boot; each guest has a disk, a seed and a definition.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from connections import access
from tasks.domain import Hardware, Mark, render, seed_volume
from tasks.image import base_image
from workflows import build
from workflows.locking import fenced, locked
from workflows.options import Options
from workflows.session import Session
from workflows.stages import Stage


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
    hypervisor.ensure_pool(pool, folder)
    base = base_image(cluster.settings)
    hypervisor.upload(pool, base.disk_volume, b"image", 5)
    hardware = Hardware("qemu", 1450, folder, base)
    for guest in cluster.guests:
        mark = Mark(cluster.name, guest.name, "ready", base.name, 1)
        hypervisor.upload(pool, mark.disk_volume, b"disk", 4)
        hypervisor.upload(pool, seed_volume(guest), b"seed", 4)
        hypervisor.define(render(cluster, guest, mark, hardware, seed=True))


def main() -> int:
    with Session("build", Options(site=sys.argv[1], log=sys.argv[2])) as session:
        with locked(session):
            session.recall()
            session.run(fenced(session, without_guests(session)))
            if not session.recorder.failures:
                define_guests(session)
        return session.finish()


if __name__ == "__main__":
    sys.exit(main())
