"""A run: the document that each workflow leaves on the controller, and that reports are made of."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from importlib.metadata import requires, version
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from farswitch.guests.base_image import LocalImage
from farswitch.guests.boot import BootTimes
from farswitch.guests.server_facts import Facts
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Role
from farswitch.model.pin import written_cpus
from farswitch.model.switch import ObservedSwitch
from farswitch.run.recorder import Recorder

T = TypeVar("T")
_NAME = re.compile(r"[\w.-]+")
VERSION = 1
"""Of the document that we write."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RunInterface(_Document):
    """An interface that guests' frames pass: "underlay", "tunnel", "port" or "tap"; MTU in bytes.

    `offloads` are those that are on, by the names that `ethtool -K` takes.
    """

    what: str
    name: str
    mtu: int
    offloads: list[str]


class RunServer(_Document):
    """A server; what preflight found of it, where there was one. Memory and disk in MiB.

    `versions` are those of its kernel and of the programs there that matter, by name; `switch` is
    what the adapter says of the switch, where there is one.
    """

    name: str
    role: Role
    address: str
    device: str = ""
    mtu: int | None = None
    accelerator: str = ""
    memory: int | None = None
    disk: int | None = None
    versions: dict[str, str] = {}
    switch: dict[str, str] = {}
    interfaces: list[RunInterface] = []


class RunGuest(_Document):
    """A guest, and where it is; `processors` are those of its hypervisor that it is pinned to."""

    name: str
    hypervisor: str
    vni: int
    data_address: str
    management_address: str
    processors: str = ""


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
        mtu: Of the data network, in bytes; None where the run did not learn it.
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
    mtu: int | None = None
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
    mtu: int | None = None,
    versions: Mapping[str, Mapping[str, str]] | None = None,
) -> Run:
    """Return the document of a run that has ended.

    The cluster is the site's, None where only servers were named; `began` is the run's start by the
    monotonic clock, `mtu` that of the data network. `versions` has what connections were told of a
    server, by its name.
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
        mtu=mtu,
        settings=cluster.settings.model_dump(mode="json") if cluster else {},
        servers=[
            RunServer(
                name=server.name,
                role=server.role,
                address=str(server.underlay),
                **(facts(found, cluster) if (found := _facts(recorder, server.name)) else {}),
                switch=_switch(recorder, server.name),
                versions={
                    **(found.versions if found else {}),
                    **(versions or {}).get(server.name, {}),
                },
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
                processors=written_cpus(guest.processors),
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


def _last(recorder: Recorder, server: str, kind: type[T]) -> T | None:
    """Return the last of a kind that a step found of a server, whichever step it was."""
    found: T | None = None
    for (_, host), result in recorder.results.items():
        several = result if isinstance(result, list) else [result]
        if host == server:
            found = next((one for one in several if isinstance(one, kind)), found)
    return found


def _switch(recorder: Recorder, server: str) -> dict[str, str]:
    found = _last(recorder, server, ObservedSwitch)
    return dict(found.description) if found else {}


def _facts(recorder: Recorder, server: str) -> Facts | None:
    """Return what preflight found of a server, and as it became since."""
    found = _last(recorder, server, Facts)
    last = recorder.results.get(("interfaces", server))
    return replace(found, interfaces=last) if found and last else found


def facts(found: Facts, cluster: Cluster | None) -> dict[str, Any]:
    """Return what a run keeps of what preflight found of a server, of its interfaces the hops."""
    underlay = found.underlay
    parts = dict.fromkeys([underlay.device, *(one.name for one in underlay.below)], "underlay")
    for guest in cluster.guests if cluster else ():
        home = guest.hypervisor == underlay.server
        parts |= {guest.tunnel: "tunnel" if home else "port", guest.data_tap: "tap"}
    return {
        "device": underlay.device,
        "mtu": underlay.mtu,
        "accelerator": found.accelerator,
        "memory": found.memory,
        "disk": found.disk,
        "interfaces": [
            RunInterface(
                what=parts[one.name], name=one.name, mtu=one.mtu, offloads=list(one.offloads)
            )
            for one in found.interfaces
            if one.name in parts
        ],
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
