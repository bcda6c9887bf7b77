"""The JSON documents that `--json` prints: what each has, in which type.

The schemas in docs/schemas are made of them: python -m farswitch.run.documents docs/schemas
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Literal, NotRequired

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

closed = with_config(ConfigDict(extra="forbid"))
"""A document has the fields that are named here, and no other."""


@closed
class StageEntry(TypedDict):
    """A row of the table: `hosts` and `failed` count hosts."""

    name: str
    hosts: int
    changed: int
    failed: int
    seconds: float


@closed
class ObstacleEntry(TypedDict):
    """What keeps a server from carrying its part; `foreign`: somebody else's has a name of ours."""

    what: str
    remedy: str
    foreign: bool


@closed
class FailureEntry(TypedDict):
    """What went wrong on one host; without a host and stage, before the first one."""

    host: str
    stage: str
    error: str
    hint: str
    obstacles: list[ObstacleEntry]


@closed
class CheckEntry(TypedDict):
    """One verdict; `ok` is null where it was not judged, for the reason in `measured`."""

    name: str
    host: str
    ok: bool | None
    measured: str
    expected: str
    cause: str
    fix: str
    hint: str


@closed
class PlanEntry(TypedDict):
    """One change."""

    host: str
    stage: str
    action: Literal["add", "change", "remove"]
    what: str


@closed
class Totals(TypedDict):
    """How many changes of each kind."""

    add: int
    change: int
    remove: int


@closed
class PairsEntry(TypedDict):
    """How many of all pairs of nodes met; `seed` is null where all did."""

    made: int
    all: int
    seed: int | None


@closed
class RemainsEntry(TypedDict):
    """An object that bears farswitch's mark; `kept` is the reason why it stays, if it does."""

    cluster: str
    server: str
    kind: str
    name: str
    age: str
    kept: str


@closed
class RunDocument(TypedDict):
    """What every run reports."""

    workflow: str
    cluster: str
    ok: bool
    changed: int
    failed: int
    skipped: int
    seconds: float
    dry_run: bool
    stages: list[StageEntry]
    notes: list[str]
    warnings: list[str]
    failures: list[FailureEntry]
    checks: list[CheckEntry]


@closed
class BuildDocument(RunDocument):
    """`build`, `start` and `stop`."""

    plan: list[PlanEntry]
    totals: Totals


@closed
class TeardownDocument(BuildDocument):
    """`teardown` and `orphans`."""

    remains: NotRequired[list[RemainsEntry]]


@closed
class PreflightDocument(RunDocument):
    """`preflight`; `ready` has each server that can carry its part, with what was found there."""

    ready: NotRequired[dict[str, str]]


PairEntry = TypedDict(
    "PairEntry", {"from": str, "to": str, "latency_us": float, "bandwidth_mbit": float}
)
"""One direction of a pair of nodes: latency in µs, bandwidth in Mbit/s."""
closed(PairEntry)
SwitchedEntry = TypedDict(
    "SwitchedEntry", {"from": str, "frames_in": int, "frames_out": int, "lost": int}
)
"""Frames of a node that the switch took in, and gave out to whom they were for."""
closed(SwitchedEntry)


@closed
class VerifyDocument(RunDocument):
    """`verify`; `mpi` has what was measured of each pair that met by MPI.

    `path` is of a switch on plain ports, a row a node.
    """

    mpi: NotRequired[list[PairEntry]]
    path: NotRequired[list[SwitchedEntry]]

    conclusion: NotRequired[str]
    pairs: NotRequired[PairsEntry]


@closed
class TrafficEntry(TypedDict):
    """What an interface received and sent since it was made: bytes, packets, dropped packets."""

    received: int
    received_packets: int
    sent: int
    sent_packets: int
    dropped: int


@closed
class RatesEntry(TypedDict):
    """Bits and packets a second since the last look."""

    received: float
    received_packets: float
    sent: float
    sent_packets: float


@closed
class GuestStatusEntry(TypedDict):
    """A guest as it stands: MTU and memory in bytes, uptime and processor in seconds."""

    name: str
    hypervisor: str
    management_address: str
    data_address: str
    vni: int
    state: str
    port: str
    mtu: int | None
    uptime: int | None
    processor: float | None
    memory: int | None
    traffic: TrafficEntry | None
    ok: bool
    rates: NotRequired[RatesEntry]


@closed
class HopEntry(TypedDict):
    """One interface that a guest's frames pass."""

    server: str
    what: str
    name: str
    state: str
    mtu: int | None
    shared: bool
    traffic: TrafficEntry | None
    rates: NotRequired[RatesEntry]


@closed
class ServerEntry(TypedDict):
    """What a build would change on a server, a line a change."""

    name: str
    drift: list[str]


@closed
class ImpairmentEntry(TypedDict):
    """What a direction of a port does to frames; `does` as a site writes it."""

    guest: str
    direction: Literal["to_guest", "from_guest"]
    server: str
    interface: str
    does: dict[str, str]
    fault: str


@closed
class StatusDocument(RunDocument):
    """`status`: `guests`, or of one guest `guest` and `hops`; neither where the run failed."""

    guests: NotRequired[list[GuestStatusEntry]]
    guest: NotRequired[str]
    hops: NotRequired[list[HopEntry]]
    servers: NotRequired[list[ServerEntry]]
    impairments: NotRequired[list[ImpairmentEntry]]


@closed
class WatchDocument(TypedDict):
    """A line of `status --watch`; `at` is in seconds since 1970."""

    cluster: str
    at: float
    guests: NotRequired[list[GuestStatusEntry]]
    guest: NotRequired[str]
    hops: NotRequired[list[HopEntry]]
    failures: list[FailureEntry]


@closed
class NodeEntry(TypedDict):
    """How a command ended on a guest: `status` is null where its time was up, then `late`."""

    name: str
    status: int | None
    stdout: str
    stderr: str
    late: bool
    cut: bool


@closed
class CopiedEntry(TypedDict):
    """To which guests a file was copied."""

    file: str
    nodes: list[str]


@closed
class ExecDocument(RunDocument):
    """`exec`; nothing of a command where the run failed before it."""

    command: NotRequired[str]
    copied: NotRequired[list[CopiedEntry]]
    nodes: NotRequired[list[NodeEntry]]


@closed
class RecipeEntry(TypedDict):
    """A recipe, as its file has it."""

    name: str
    about: str
    needs: list[str]
    packages: list[str]
    choices: dict[str, str]
    script: str


@closed
class RecipesDocument(TypedDict):
    """`app list`, and `app show` with one recipe."""

    workflow: Literal["app list", "app show"]
    recipes: list[RecipeEntry]


@closed
class AppEntry(TypedDict):
    """An application on the head: `digest` is of all that it was made of, `source` of its sources.

    In a dry run `programs` are those that are there already.
    """

    name: str
    digest: str
    source: str
    folder: str
    programs: list[str]


@closed
class AppDocument(RunDocument):
    """`app build`; nothing of the application where the run failed before it."""

    app: NotRequired[AppEntry]


@closed
class StreamEntry(TypedDict):
    """A stream of datagrams, `rate` a second: `outage_ms` is of those lost (both of RFC 6201)."""

    rate: int
    sent: int
    lost: int
    doubled: int
    outage_ms: float
    silence_ms: float


ExchangeEntry = TypedDict(
    "ExchangeEntry", {"from": str, "to": str, "order": str, "stream": StreamEntry | None}
)
"""Which kind of switch gave way to which; `order` is empty where it was not made."""
closed(ExchangeEntry)


@closed
class SwitchUseDocument(BuildDocument):
    """`switch use`; no `exchange` in a dry run."""

    exchange: NotRequired[ExchangeEntry]


@closed
class MeasuredEntry(TypedDict):
    """What was asked for and what was measured, in `ms` (added to a round trip), % or Mbit/s.

    `low` and `high` are a loss's 95 % interval, null of others.
    """

    quantity: Literal["delay", "loss", "rate"]
    direction: Literal["to_guest", "from_guest", "both"]
    asked: float
    got: float
    low: float | None
    high: float | None


@closed
class ImpairDocument(BuildDocument):
    """`impair` and `impair clear`: what all ports do then; none where the run failed before."""

    impairments: NotRequired[list[ImpairmentEntry]]
    measured: NotRequired[list[MeasuredEntry]]


@closed
class TimelineStepEntry(TypedDict):
    """A step of a timeline, with its true moments, in seconds from the start."""

    server: str
    step: str
    at: float
    began: float
    ended: float
    error: str


@closed
class ImpairRunDocument(BuildDocument):
    """`impair run`; an empty timeline in a dry run, none where the run failed before."""

    timeline: NotRequired[list[TimelineStepEntry]]


@closed
class ImpairShowDocument(RunDocument):
    """`impair show`."""

    impairments: NotRequired[list[ImpairmentEntry]]


@closed
class SnapshotEntry(TypedDict):
    """A snapshot; `taken` as ISO 8601 has it, `refusal` says why it cannot be restored."""

    name: str
    taken: str
    nodes: list[str]
    refusal: str


@closed
class SnapshotListDocument(RunDocument):
    """`snapshot list`; no list where the look failed."""

    snapshots: NotRequired[list[SnapshotEntry]]


@closed
class SwitchEntry(TypedDict):
    """The switch in use; `about` by its adapter, `places` null where it cannot say."""

    name: str
    kind: str
    server: str
    about: dict[str, str]
    held: list[str]
    missing: list[str]
    fault: str
    places: dict[str, str] | None


@closed
class SwitchStatusDocument(RunDocument):
    """`switch status`; no `switch` where it could not be looked at."""

    switch: NotRequired[SwitchEntry]


TrafficPairEntry = TypedDict(
    "TrafficPairEntry", {"from": str, "to": str, "port": str, "bytes": int, "packets": int}
)
"""What came of a sender for a receiver by the port of a guest; `to` may be broadcast, multicast."""
closed(TrafficPairEntry)


@closed
class PortCountEntry(TypedDict):
    """What the port of a guest received, by the kernel, and what of that was counted as pairs."""

    guest: str
    received: int
    received_packets: int
    dropped: int
    counted: int


@closed
class MissedEntry(TypedDict):
    """What no pair was counted for, as there was no room for more."""

    bytes: int
    packets: int


@closed
class MatrixEntry(TypedDict):
    """Bytes and packets by sender and receiver.

    `steady`: nothing was under way when ports and pairs were read. `ranks` are those of a command,
    by guest, as far as it says where they run.
    """

    seconds: float
    guests: list[str]
    pairs: list[TrafficPairEntry]
    ports: list[PortCountEntry]
    missed: MissedEntry
    steady: bool
    ranks: dict[str, list[int]]


@closed
class MatrixDocument(RunDocument):
    """`matrix`; no `matrix` where nothing could be counted, no `command` where none ran."""

    matrix: NotRequired[MatrixEntry]
    command: NotRequired[str]
    nodes: NotRequired[list[NodeEntry]]


@closed
class MatrixWatchDocument(TypedDict):
    """A line of `matrix --watch`: what went in the `seconds` before `at` (seconds since 1970)."""

    cluster: str
    at: float
    seconds: float
    pairs: list[TrafficPairEntry]


@closed
class LatencyEntry(TypedDict):
    """One way, in microseconds, at a `load` of so many frames a second."""

    load: float
    p50: float
    p95: float
    p99: float
    longest: float


@closed
class LoadEntry(TypedDict):
    """The throughput of frames of one size; all rates are frames a second, each sent once.

    `below` is the lowest rate with loss, null where none had any; `offered` and `forwarded` are of
    full load.
    """

    size: int
    throughput: float
    below: float | None
    limit: Literal["switch", "underlay", "generator"]
    offered: float
    forwarded: float
    trials: int


@closed
class LightEntry(TypedDict):
    """What came of a light load; `loss` is a share of all copies."""

    size: int
    sent: int
    loss: float
    doubled: int
    reordered: int
    latency: LatencyEntry


@closed
class LearningEntry(TypedDict):
    """Addresses taught at a `rate`, and how many of them were known then; see LearningFigures."""

    rate: float
    kept: dict[str, int]
    most: int
    fastest: float | None


@closed
class RecoveryEntry(TypedDict):
    """A port that was down for a moment, in a stream of `rate` frames a second (RFC 6201)."""

    rate: float
    lost: int
    down_ms: float
    outage_ms: float
    silence_ms: float
    recovery_ms: float


@closed
class BenchedSwitchEntry(TypedDict):
    """What was measured of one switch, null where it was not; `error` says why none was.

    `half` is the latency by size at half of the throughput, `ceiling` what the generator sent by
    size into a port that leads nowhere.
    """

    name: str
    about: dict[str, str]
    error: str
    loads: list[LoadEntry]
    lights: list[LightEntry]
    half: dict[str, LatencyEntry]
    learning: LearningEntry | None
    flooding: LoadEntry | None
    flooding_light: LightEntry | None
    broadcast: LoadEntry | None
    broadcast_light: LightEntry | None
    mesh: LoadEntry | None
    recovery: RecoveryEntry | None
    ceiling: dict[str, float]


@closed
class BenchEntry(TypedDict):
    """Switches side by side, the bare underlay first; sizes in bytes with the CRC."""

    trial_seconds: float
    mtu: int
    ports: int
    deviations: list[str]
    switches: list[BenchedSwitchEntry]


@closed
class SwitchBenchDocument(RunDocument):
    """`switch bench`; nothing of it where the run failed before it measured."""

    bench: NotRequired[BenchEntry]


@closed
class FramesEntry(TypedDict):
    """Which frames were sent; `size` is of the IP packet, in bytes."""

    count: int
    size: int
    tcp: bool


@closed
class TraceHopEntry(TypedDict):
    """An interface on the way of the frames; `count` is null where nothing could be counted."""

    host: str
    what: str
    name: str
    way: Literal["in", "out", "through"]
    vni: int | None
    count: int | None


@closed
class TraceDocument(RunDocument):
    """`trace`; no frames where the run failed before it sent any."""

    frames: NotRequired[FramesEntry]
    hops: NotRequired[list[TraceHopEntry]]


@closed
class CapturePointEntry(TypedDict):
    """An interface, and how many frames of it were written; of an underlay `guest` is empty."""

    host: str
    name: str
    what: Literal["tap", "tunnel", "underlay", "port"]
    guest: str
    received: int
    sent: int


@closed
class ClockEntry(TypedDict):
    """How far a server's clock is ahead of another's, and how wrong that can be, in nanoseconds."""

    server: str
    reference: str
    offset_ns: int
    bound_ns: int
    there: int
    back: int


@closed
class CaptureEntry(TypedDict):
    """What was captured, by which bound it ended, and how many frames servers had no room for."""

    file: str | None
    frames: int
    bytes: int
    ending: Literal["time", "frames", "bytes", "interrupted", "reader", "disk", "server"]
    interfaces: list[CapturePointEntry]
    lost: dict[str, int]
    clocks: list[ClockEntry]


@closed
class CaptureDocument(RunDocument):
    """`capture`; nothing of it where the run failed before it began."""

    capture: NotRequired[CaptureEntry]


@closed
class GraphDocument(RunDocument):
    """`graph`; `picture` is the text in that format."""

    format: NotRequired[Literal["svg", "mermaid", "dot"]]
    picture: NotRequired[str]


@closed
class StudyRowEntry(TypedDict):
    """A metric in a cell; intervals are null in the base and of too few blocks.

    `smallest` is the least factor by which cells must differ for these data to have shown it.
    """

    metric: str
    unit: str
    cell: str
    label: str
    blocks: int
    median: float
    slowdown: float | None
    interval: list[float] | None
    difference: list[float] | None
    smallest: float | None
    verdict: str


BesideEntry = TypedDict(
    "BesideEntry",
    {
        "metric": str,
        "neighbour": str,
        "where": str,
        "slowdown": float,
        "interval": list[float] | None,
        "verdict": str,
        "class": Literal["below 1.1", "1.1 to 2", "above 2"],
    },
)


@closed
class StudyDocument(TypedDict):
    """`study run`, `resume` and `status`: what a study says; `left_out` of this run alone."""

    workflow: Literal["study"]
    cluster: str
    study: str
    ok: bool
    complete: bool
    runs: int
    done: int
    discarded: int
    failed: int
    noisy: int
    host: Literal["quiet", "noisy", "not judged"]
    why: str
    rows: list[StudyRowEntry]
    beside: list[BesideEntry]
    left_out: NotRequired[list[str]]


@closed
class StudyPlanDocument(TypedDict):
    """`study plan`; `seconds` of what is left, null before anything has run.

    `unknown` counts programs in cells that have not run yet: their share is a guess. `left_out` are
    cells that a calibration could not enter.
    """

    workflow: Literal["study-plan"]
    study: str
    ok: bool
    runs: int
    discarded: int
    left: int
    unknown: int
    seconds: float | None
    cells: list[str]
    left_out: NotRequired[list[str]]


@closed
class StudyReportDocument(TypedDict):
    """`study report`: where the page and all values are."""

    workflow: Literal["study-report"]
    study: str
    ok: bool
    page: str
    values: str


@closed
class StudyExportDocument(TypedDict):
    """`study export`: the archive."""

    workflow: Literal["study-export"]
    study: str
    ok: bool
    file: str


@closed
class StudyDifferenceEntry(TypedDict):
    """What differs in how two studies were made."""

    what: str
    before: str
    after: str


@closed
class StudyChangeEntry(TypedDict):
    """A metric in a cell of two studies: the second against the first."""

    metric: str
    cell: str
    before: float
    after: float
    unit: str
    slowdown: float
    interval: list[float] | None
    verdict: str


@closed
class StudyComparisonDocument(TypedDict):
    """`study compare`."""

    workflow: Literal["study-compare"]
    studies: list[str]
    ok: bool
    differences: list[StudyDifferenceEntry]
    rows: list[StudyChangeEntry]


@closed
class RunEntry(TypedDict):
    """A run that was kept; `started` as ISO 8601 writes it."""

    run: str
    started: str
    workflow: str
    cluster: str
    ok: bool
    dry_run: bool
    changed: int
    failed: int
    seconds: float


@closed
class RunsDocument(TypedDict):
    """`runs`, the latest first."""

    workflow: Literal["runs"]
    ok: bool
    runs: list[RunEntry]


@closed
class DifferenceEntry(TypedDict):
    """Something that differs; `ratio` is after / before where both are figures."""

    kind: str
    what: str
    before: str
    after: str
    ratio: float | None


@closed
class PageDocument(TypedDict):
    """`report`, where it wrote a page."""

    workflow: Literal["report"]
    ok: bool
    run: str
    page: str


@closed
class ComparisonDocument(TypedDict):
    """`report --compare`; `page` is where it wrote one."""

    workflow: Literal["report"]
    ok: bool
    runs: list[str]
    differences: list[DifferenceEntry]
    page: NotRequired[str]


@closed
class MemberEntry(TypedDict):
    """A server of the lab; `libvirt` is null where none should run."""

    name: str
    address: str
    underlay: str
    pid: int | None
    ssh: bool
    libvirt: bool | None


@closed
class LabEntry(TypedDict):
    """What is up of a lab."""

    name: str
    controller: str
    connected: bool
    members: list[MemberEntry]


@closed
class LabDocument(TypedDict):
    """`lab up`, `down`, `restart` and `status`; `error` and `hint` where it failed."""

    workflow: str
    lab: str
    ok: bool
    seconds: float
    changed: NotRequired[int]
    changes: NotRequired[list[str]]
    status: NotRequired[LabEntry]
    error: NotRequired[str]
    hint: NotRequired[str]


@closed
class SiteDocument(TypedDict):
    """`site new`, where it did not fail."""

    workflow: Literal["site new"]
    site: str
    ok: bool


DOCUMENTS: dict[str, Any] = {
    "app": AppDocument | RecipesDocument,
    "build": BuildDocument,
    "capture": CaptureDocument,
    "exec": ExecDocument,
    "graph": GraphDocument,
    "lab": LabDocument,
    "matrix": MatrixDocument,
    "matrix-watch": MatrixWatchDocument,
    "orphans": TeardownDocument,
    "preflight": PreflightDocument,
    "report": PageDocument | ComparisonDocument | RunDocument,
    "runs": RunsDocument | RunDocument,
    "site": SiteDocument | RunDocument,
    "start": BuildDocument,
    "impair": ImpairDocument | ImpairRunDocument | ImpairShowDocument,
    "snapshot": BuildDocument | SnapshotListDocument,
    "status": StatusDocument,
    "status-watch": WatchDocument,
    "stop": BuildDocument,
    "study": StudyDocument
    | StudyPlanDocument
    | StudyReportDocument
    | StudyComparisonDocument
    | StudyExportDocument
    | RunDocument,
    "switch": SwitchUseDocument | SwitchStatusDocument | SwitchBenchDocument,
    "teardown": TeardownDocument,
    "trace": TraceDocument,
    "verify": VerifyDocument,
}
"""By command: what its `--json` prints, as one document or a document a line."""


def schema(name: str) -> dict[str, object]:
    """Return the JSON schema of a command's document."""
    made = TypeAdapter(DOCUMENTS[name]).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def write(folder: Path) -> None:
    """Write every schema into a folder, a file a command."""
    for name in DOCUMENTS:
        (folder / f"{name}.json").write_text(f"{json.dumps(schema(name), indent=1)}\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
