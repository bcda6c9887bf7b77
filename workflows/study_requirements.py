"""What a study wants of the cluster that stands, or is refused before anything is touched."""

from __future__ import annotations

from collections.abc import Sequence

from farswitch.errors import ConfigError
from farswitch.impair.timeline import steps_for
from farswitch.model.impairment import PortImpairment
from farswitch.run.session import Session
from farswitch.study.impairments import NO_IMPAIRMENT, ports_of
from farswitch.study.neighbour import LEAST_NODES
from farswitch.study.plan import Study
from farswitch.study.results import RunRecord
from workflows.local_path import local_steps
from workflows.snapshot_stages import check_snapshot


def check_fits(session: Session, study: Study, records: Sequence[RunRecord]) -> None:
    """Refuse a study that the cluster of a session cannot carry.

    Args:
        session: Of the cluster.
        study: What is wanted of it.
        records: The runs of the study that are kept.

    Raises:
        ConfigError: A cell wants more nodes or a larger MTU than there are, it or an event names a
            guest that there is not, or guests of several hypervisors on one local path; events
            are in each other's way; or there is no such snapshot, or another one than blocks have
            begun from.
        FarswitchError: The snapshot cannot be restored.
    """
    if any(cell.local for cell in study.cells):
        local_steps(session.cluster, "", 0)  # refuses guests on several hypervisors
    most = max((cell.nodes or 0 for cell in study.cells), default=0)
    if most > (count := len(session.cluster.guests)):
        raise ConfigError(
            f"The study wants {most} nodes, and cluster '{session.cluster.name}' has {count}.",
            hint=f"More guests: farswitch build --nodes {most}",
        )
    least = min((cell.nodes or count for cell in study.cells), default=count)
    if study.shared and least < LEAST_NODES:
        raise ConfigError(
            f"A study of neighbours wants {LEAST_NODES} nodes, two for each of both jobs, and "
            f"has {least}.",
            hint=f"More guests: farswitch build --nodes {LEAST_NODES}",
        )
    largest, have = (
        max((cell.mtu or 0 for cell in study.cells), default=0),
        session.built_record.mtu,
    )
    if largest > have:
        raise ConfigError(
            f"The study wants an MTU of {largest}, and cluster '{session.cluster.name}' has "
            f"{have}.",
            hint="Take it out of the study, or raise the underlay's MTU, and the site's 'mtu' "
            "where it names one, and build: farswitch build",
        )
    for text in {cell.impair or NO_IMPAIRMENT for cell in study.cells}:
        for name in ports_of(text):
            session.guest(name)  # refuses one that there is not
    clean = {guest.name: PortImpairment() for guest in session.cluster.guests}
    steps_for(session.cluster, study.events, clean)  # refuses what cannot be
    if study.snapshot:
        moment = check_snapshot(session, study.snapshot).moment
        others = {one.environment.get("snapshot", moment) for one in records} - {moment}
        if others:
            raise ConfigError(
                f"Study '{study.name}' was begun from a snapshot '{study.snapshot}' of "
                f"{min(others)}, and there is one of {moment} now.",
                hint="Give the study another name.",
            )
