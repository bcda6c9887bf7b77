"""Frames of guests at every interface of their way: `python -m workflows.capture node1 node3`."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from nornir.core.inventory import Host

from farswitch.capture.clocks import ClockComparison
from farswitch.capture.frame_capture import CaptureLimits, FrameCapture
from farswitch.capture.packet_filter import FrameFilter, program
from farswitch.capture.pcapng import PcapngWriter
from farswitch.capture.points import CapturePoint, capture_points, tunnel_frames
from farswitch.capture.target import CaptureTarget
from farswitch.errors import ConfigError, FarswitchError
from farswitch.home import expand_home
from farswitch.model.machines import Guest
from farswitch.run.cli import Options, main, read_only
from farswitch.run.command import Command
from farswitch.run.echo import echo
from farswitch.run.interrupts import ctrl_c_ends
from farswitch.run.locking import note_holder
from farswitch.run.print_capture import capture_table, document, sentences
from farswitch.run.print_report import console_for, failures_on
from farswitch.run.report import INTERRUPTED
from farswitch.run.rows import Failure
from farswitch.run.session import Session
from farswitch.run.stages import PerHost, Stage, step
from farswitch.run.terminal import shown
from farswitch.status.observed import underlay_devices
from tasks.capture import capture as copy
from tasks.translate_filter import translate_filter
from workflows.lab_up import ensure_lab
from workflows.look import look

OUTER = 14 + 40 + 8 + 8
"""Bytes around a guest's frame in a tunnel over IPv6, which are kept beside it."""
LEAST, USUAL, MOST = 64, 128, 65535
"""Bytes that are kept of a guest's frame."""
SMALLEST = 1 << 16
"""Bytes of a file, which has a head for each interface."""
STANDARD_OUTPUT = "-"
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class CaptureExtent:
    """Whose frames, which, how many, and where they go: a file, `-`, or one named after them."""

    names: tuple[str, ...]
    limits: CaptureLimits
    chosen: str = ""
    target: str = ""
    size: int = USUAL

    @property
    def live(self) -> bool:
        """Whether it goes to standard output."""
        return self.target == STANDARD_OUTPUT

    def check(self, options: Options) -> None:
        """Refuse what cannot be meant.

        Raises:
            ConfigError: It cannot.
        """
        if self.live and options.json:
            raise ConfigError("--json and --write - both want standard output: name a file.")
        if not self.chosen.isprintable():
            raise ConfigError("The filter of --filter is no line of text.")

    def path(self, cluster: str) -> Path | None:
        """Return the file's path; None for standard output."""
        if self.live:
            return None
        return expand_home(self.target or "-".join((cluster, *self.names)) + ".pcapng")


class Capturing:
    """One capture of a session: what is asked of the servers, and what came of it."""

    def __init__(
        self, session: Session, extent: CaptureExtent, guests: list[Guest], target: CaptureTarget
    ) -> None:
        self._session, self._extent, self._guests = session, extent, guests
        self._target = target
        self._console = console_for(as_json=session.options.json or extent.live)
        self.file = str(target.path) if target.path else "standard output"
        self.points: list[CapturePoint] = []
        self.capture: FrameCapture | None = None

    def run(self) -> None:
        """Look, translate the filter, and copy; what fails stands in the session's recorder."""
        session, cluster = self._session, self._session.cluster
        looks = look(session)
        if len(looks) < len(cluster.servers):
            return
        devices = underlay_devices(cluster, looks)
        self.points, missing = capture_points(cluster, self._guests, looks, devices)
        for one in missing:
            session.note(f"The {one} is not there: nothing is captured at it.")
        if not self.points:
            raise FarswitchError("There is no interface to capture at.", hint="farswitch build")
        chosen = self._filter()
        if chosen is not None:
            self._copy(chosen)

    def _filter(self) -> FrameFilter | None:
        """Return the translated filter; None where it could not be."""
        extent, session = self._extent, self._session
        if not extent.chosen:
            return FrameFilter.everything(extent.size)
        one = step(translate_filter, expression=extent.chosen, size=extent.size)
        if not session.run([Stage(session.is_head, (one,))]):
            return None
        found: FrameFilter = session.result("translate_filter", session.head_host.name)
        return found

    def _copy(self, chosen: FrameFilter) -> None:
        extent, session = self._extent, self._session
        tunnels = tunnel_frames(session.cluster, self._guests)
        own = {
            name: [point for point in self.points if point.host == name]
            for name in {point.host for point in self.points}
        }
        programs = {name: program(points, tunnels, chosen) for name, points in own.items()}
        copying = step(
            copy,
            points=PerHost(lambda host: own[host.name]),
            program=PerHost(lambda host: programs[host.name]),
            into=PerHost(lambda _: self.capture),
            size=extent.size + OUTER,
            seconds=extent.limits.seconds,
        )

        def on(host: Host) -> bool:
            return host.name in own

        with self._target as target:
            writer = PcapngWriter(target.stream, f"farswitch {version('farswitch')}", extent.chosen)
            with FrameCapture(
                writer, ClockComparison(tunnels), extent.limits, self.points, self._begun
            ) as capture:
                self.capture = capture
                with ctrl_c_ends(lambda: capture.end("interrupted")):
                    session.run([Stage(on, (copying,), vital=False, together=True)])
            capture.conclude(" ".join(sentences(capture, self.file)), rewrite=not extent.live)
            if capture.listening:
                target.keep()
        if capture.ending == "disk" and capture.error:
            session.recorder.failures.append(
                Failure("", "capture", f"{self.file} cannot be written: {capture.error.strerror}.",
                        "What was written until then is whole. Make room, or write elsewhere.")
            )  # fmt: skip

    def _begun(self) -> None:
        limits = self._extent.limits
        self._console.print(
            shown(
                f"Capturing at {len(self.points)} interfaces into {self.file}, for "
                f"{limits.seconds:g} s or {limits.frames:,} frames at most. Ctrl-C ends it."
            )
        )

    def end(self) -> int:
        """Print what came of it; return the exit code."""
        console, report, capture = self._console, self._session.report(), self.capture
        if capture is not None and capture.listening:
            console.print(capture_table(capture, self.points), soft_wrap=False)
            for line in sentences(capture, self.file):
                console.print(shown(line))
        for note in report.notes:
            console.print(shown(note))
        failures_on(console, report)
        if self._session.options.json:
            more = {}
            if capture is not None and capture.listening:
                file = None if self._extent.live else self.file
                more = {"capture": document(capture, self.points, file)}
            echo(json.dumps(report.document() | more, indent=1))
        if report.ok and capture is not None and capture.ending == "interrupted":
            return INTERRUPTED
        return report.exit_code


@main("capture")
def run(options: Options, extent: CaptureExtent) -> int:
    """Look, capture and print."""
    extent.check(options)
    with Session("capture", dataclasses.replace(options, dry_run=True), quiet=True) as session:
        target = CaptureTarget(extent.path(session.cluster.name))
        ensure_lab(session)
        session.read_record()
        _ = session.built_record
        guests = [session.guest(name) for name in extent.names]
        note_holder(session, session.cluster.name, session.head_host)
        capturing = Capturing(session, extent, guests, target)
        capturing.run()
        return capturing.end()


@click.command(cls=Command)
@click.argument("names", nargs=-1, required=True, metavar="GUEST...")
@click.option("--filter", "chosen", default="", metavar="FILTER",
              help="Of tcpdump, about the guests' frames: 'icmp or tcp port 22'.")  # fmt: skip
@click.option("--write", "target", default="", metavar="FILE",
              help="A pcapng file, or - for standard output; default: by its guests.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0, DAY, min_open=True), default=60.0,
              show_default=True, metavar="SECONDS", help="When it ends.")  # fmt: skip
@click.option("--packets", type=click.IntRange(min=1), default=100_000, show_default=True,
              metavar="FRAMES", help="How many are written at most.")  # fmt: skip
@click.option("--bytes", "size", type=click.IntRange(min=SMALLEST), metavar="BYTES",
              help="How large the file gets at most.")  # fmt: skip
@click.option("--snaplen", type=click.IntRange(LEAST, MOST), default=USUAL, show_default=True,
              metavar="BYTES", help="How much of each guest's frame is kept.")  # fmt: skip
@read_only
def command(
    *, names: tuple[str, ...], chosen: str, target: str, seconds: float, packets: int,
    size: int | None, snaplen: int, **options: Any,
) -> None:  # fmt: skip
    """Capture frames of guests at every interface of both servers, for Wireshark.

    Taps, both ends of the tunnels and the underlay at once, in one file. Nothing is changed.
    """
    limits = CaptureLimits(seconds, packets, size)
    extent = CaptureExtent(tuple(dict.fromkeys(names)), limits, chosen, target, snaplen)
    run(Options(**options), extent=extent)


if __name__ == "__main__":
    command(prog_name="python -m workflows.capture")
