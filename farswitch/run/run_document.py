"""A run: the document that each workflow leaves on the controller, and that reports are made of."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable
from datetime import datetime
from importlib.metadata import requires, version
from typing import Any

from pydantic import BaseModel, ConfigDict

from farswitch.guests.base_image import LocalImage
from farswitch.guests.boot import BootTimes
from farswitch.guests.server_facts import Facts
from farswitch.model.cluster import Cluster
from farswitch.run.recorder import Recorder

_NAME = re.compile(r"[\w.-]+")
VERSION = 1
"""Of the document that we write."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunServer(_Document):
    """A server; what preflight found of it, where there was one. Memory and disk in MiB."""

    name: str
    role: str
    address: str
    device: str = ""
    mtu: int | None = None
    accelerator: str = ""
    memory: int | None = None
    disk: int | None = None


class RunGuest(_Document):
    """A guest, and where it is."""

    name: str
    hypervisor: str
    vni: int
    data_address: str
    management_address: str


class Work(_Document):
    """What one step did on one host.

    `began` counts from the run's start, and `parts` has what the step itself consists of, as the
    steps of a boot; all in seconds.
    """

    step: str
    host: str
    began: float
    seconds: float
    changed: int
    failed: bool
    parts: dict[str, float] = {}


class Change(_Document):
    """What a step changed on a host, or would change, in its own words."""

    step: str
    host: str
    lines: list[str]


class Run(_Document):
    """One run.

    Attributes:
        name: When it began (UTC) and its workflow; runs sort by it.
        release: Of farswitch.
        python: The interpreter and the controller's system.
        packages: The versions of what farswitch stands on.
        site: The folder of the site, as it was asked for; empty for the one of config.yaml.
        image: The guests' image, by its digest; empty of a run that needs none.
        settings: The cluster's.
        report: The document that the workflow prints with `--json`.
    """

    version: int = VERSION
    name: str
    started: datetime
    release: str
    python: str
    packages: dict[str, str]
    site: str
    image: str
    settings: dict[str, Any]
    servers: list[RunServer]
    guests: list[RunGuest]
    timeline: list[Work]
    changes: list[Change]
    report: dict[str, Any]

    @property
    def workflow(self) -> str:
        return str(self.report["workflow"])

    @property
    def cluster(self) -> str:
        return str(self.report["cluster"])

    @property
    def verdict(self) -> str:
        """How it ended, in a word."""
        return "done" if self.report["ok"] else "failed"


def run_of(
    recorder: Recorder,
    report: dict[str, Any],
    cluster: Cluster | None,
    *,
    name: str,
    site: str,
    started: datetime,
    began: float,
) -> Run:
    """Return the document of a run that has ended.

    The cluster is the site's, None where only servers were named; `began` is the run's start by the
    monotonic clock.
    """
    servers = cluster.servers if cluster else ()
    guests = cluster.guests if cluster else ()
    return Run(
        name=name,
        started=started,
        release=version("farswitch"),
        python=f"Python {platform.python_version()} on {platform.platform()}",
        packages=packages(),
        site=site,
        image=image(recorder.results.values()),
        settings=cluster.settings.model_dump(mode="json") if cluster else {},
        servers=[
            RunServer(
                name=server.name,
                role=server.role,
                address=str(server.underlay),
                **facts(recorder.results.get(("preflight", server.name))),
            )
            for server in servers
        ],
        guests=[
            RunGuest(
                name=guest.name,
                hypervisor=guest.hypervisor,
                vni=guest.vni,
                data_address=str(guest.data_address.ip),
                management_address=str(guest.management_address.ip),
            )
            for guest in guests
        ],
        timeline=[
            Work(
                step=one.step,
                host=one.host,
                began=round(one.began - began, 3),
                seconds=round(one.ended - one.began, 3),
                changed=one.changed,
                failed=one.failed,
                parts=parts(recorder.results.get((one.step, one.host))),
            )
            for one in recorder.timeline
        ],
        changes=[
            Change(step=step, host=host, lines=diff.splitlines())
            for step, host, diff in recorder.diffs
        ],
        report=report,
    )


def facts(found: object) -> dict[str, Any]:
    """Return what a run keeps of what preflight found of a server."""
    if not isinstance(found, Facts):
        return {}
    underlay = found.underlay
    return {
        "device": underlay.device,
        "mtu": underlay.mtu,
        "accelerator": found.accelerator,
        "memory": found.memory,
        "disk": found.disk,
    }


def image(results: Iterable[object]) -> str:
    """Return the name of the guests' image, where a step found or made it."""
    return next((one.name for one in results if isinstance(one, LocalImage)), "")


def parts(result: object) -> dict[str, float]:
    """Return the seconds of a step's own steps, where it returned them: those of a boot."""
    if not isinstance(result, BootTimes):
        return {}
    return {name: round(seconds, 3) for name, seconds in result.items()}


def packages() -> dict[str, str]:
    """Return the versions of what farswitch needs, as they are installed."""
    needed = (_NAME.match(line) for line in requires("farswitch") or () if "extra ==" not in line)
    return {found[0]: version(found[0]) for found in needed if found}
