"""How much each guest sent to each: `python -m workflows.matrix -- mpiexec.mpich -np 3 ./job`."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import click
from rich.live import Live

from farswitch.connections.access import shell
from farswitch.deadline import Deadline
from farswitch.errors import ConfigError
from farswitch.guests.commands import CommandReport
from farswitch.matrix import count
from farswitch.matrix.by_guest import TrafficMatrix, matrix_of
from farswitch.matrix.ranks import ranks_of
from farswitch.matrix.reading import MatrixReading
from farswitch.matrix.table import wanted_matrix
from farswitch.report.heat import traffic
from farswitch.report.heat_svg import render_svg
from farswitch.run import print_matrix
from farswitch.run.cli import Options, main, read_only
from farswitch.run.command import Command
from farswitch.run.echo import echo
from farswitch.run.interrupts import ctrl_c_ends
from farswitch.run.local_files import write_local
from farswitch.run.locking import note_holder
from farswitch.run.print_commands import document, print_commands, succeeded
from farswitch.run.print_report import console_for, failures_on
from farswitch.run.progress import can_draw_anew
from farswitch.run.report import INTERRUPTED, OK
from farswitch.run.rows import Failure
from farswitch.run.session import Session
from farswitch.run.stages import Stage, is_switch, step
from farswitch.run.terminal import shown
from tasks.matrix import matrix
from tasks.run_command import run_command
from tasks.switch_look import switch_look
from workflows.exec import LONGEST
from workflows.lab_up import check_lab

JOB_SECONDS = 3600.0
USUAL = 10.0
"""Seconds that are counted where nothing says it."""
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class MatrixExtent:
    """What is counted: while a line of shell runs on the head, or for some seconds; and where to.

    `interval` is that of `watch`; after `job_seconds` the line is ended.
    """

    line: str
    seconds: float | None
    watch: bool
    interval: float
    job_seconds: float
    csv: str
    svg: str

    @property
    def until(self) -> float:
        """How many seconds are counted at most."""
        return self.seconds or (DAY if self.watch else USUAL)

    def check(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ConfigError: It cannot.
        """
        if self.line and self.seconds:
            raise ConfigError("A command is counted to its end: --for goes without one.")
        if len(self.line.encode(errors="surrogateescape")) > LONGEST:
            raise ConfigError(f"The command has more than {LONGEST} bytes: put it into a script.")
        for name in filter(None, (self.csv, self.svg)):
            if not Path(name).absolute().parent.is_dir():
                raise ConfigError(f"'{name}' cannot be written: there is no such folder.")


class MatrixCount:
    """One count of a session: begun, looked at while it goes on, and ended.

    Attributes:
        interrupted: Somebody ended it by Ctrl-C.
    """

    def __init__(self, session: Session, extent: MatrixExtent) -> None:
        self._session, self._extent = session, extent
        self._cluster, self._owner = session.cluster, session.cluster.owner
        self._ports = self._cluster.switch_ports(session.built_record.mtu)
        self._token = f"-{secrets.token_hex(4)}"
        self._want = wanted_matrix(self._ports, self._token)
        self._login = shell(session.nornir.inventory.hosts[self._cluster.switch.name])
        self._over = Event()
        self.interrupted = False

    def run(self) -> TrafficMatrix | None:
        """Count to the end; None where the table could not be made or read, which is recorded."""
        count.refuse_if_counted(self._login, self._owner)
        with count.removed_at_logout(self._login, self._want, self._owner):
            first = self._converge(present=True)
            if first is None:
                return None
            with self._job_running() if self._extent.line else self._time_running():
                self._look_on(first)
            last = self._converge(present=False)
        return matrix_of(self._ports, last - first) if last else None

    def _converge(self, *, present: bool) -> MatrixReading | None:
        """Make the table, or remove it; return what was read, None where that failed."""
        one = step(matrix, owner=self._owner, ports=self._ports, token=self._token, present=present)
        if not self._session.run([Stage(is_switch, (one,))]):
            return None
        found: MatrixReading = self._session.result("matrix", self._cluster.switch.name)
        return found

    @contextmanager
    def _job_running(self) -> Iterator[None]:
        """Run the command while the block looks on; Ctrl-C ends all, and its login the command."""
        session, extent = self._session, self._extent
        user = self._cluster.settings.user
        one = step(run_command, line=extent.line, user=user, seconds=extent.job_seconds)
        stage = Stage(session.is_first_of(self._cluster.guests), (one,), vital=False)
        pool = ThreadPoolExecutor(1)
        try:
            job = pool.submit(session.run, [stage])
            job.add_done_callback(lambda _: self._over.set())
            yield
            job.result()
        finally:
            pool.shutdown(wait=False)

    @contextmanager
    def _time_running(self) -> Iterator[None]:
        """End the block's look at Ctrl-C, or when the time is up."""

        def interrupt() -> None:
            self.interrupted = True
            self._over.set()

        call_off = Deadline(self._extent.until).watch(self._over.set)
        with ctrl_c_ends(interrupt):
            yield
        call_off()

    def _look_on(self, first: MatrixReading) -> None:
        """Keep the table there until the end; show what went between two looks where wanted."""
        interval = self._extent.interval if self._extent.watch else count.RENEWAL
        renewed, before = time.monotonic(), first
        console = console_for(as_json=self._session.options.json)
        with Live(console=console, auto_refresh=False, transient=True) as live:
            while not self._over.wait(interval):
                if time.monotonic() - renewed >= count.RENEWAL:
                    count.renew(self._login, self._owner)
                    renewed = time.monotonic()
                now = count.read(self._login, self._want, self._owner)
                if self._extent.watch:
                    self._show(matrix_of(self._ports, now - before), live)
                before = now

    def _show(self, found: TrafficMatrix, live: Live) -> None:
        """Show the rates between two looks."""
        if self._session.options.json:
            echo(json.dumps(print_matrix.watch_line(self._cluster.name, time.time(), found)))
            return
        table = print_matrix.table(found, live.console.width, rates=True)
        if can_draw_anew(live.console):
            live.update(table, refresh=True)
        else:
            live.console.print(table, soft_wrap=False)


@main("matrix")
def run(options: Options, extent: MatrixExtent) -> int:
    """Count and show."""
    extent.check()
    with Session("matrix", options, quiet=True) as session:
        check_lab(session)
        session.read_record()
        counting = MatrixCount(session, extent)
        note_holder(session, session.cluster.name, session.head_host)
        look = step(
            switch_look, adapter=session.cluster.settings.switch, owner=session.cluster.owner
        )
        session.run([Stage(is_switch, (look,), vital=False)])
        found = counting.run()
        _note_job(session, extent)
        if found:
            _write(session, extent, found)
        if extent.watch and options.json:
            report = session.report()
            failures_on(console_for(as_json=True), report)
            return report.exit_code
        code = session.finish()
        return INTERRUPTED if counting.interrupted and code == OK and not extent.watch else code


def _note_job(session: Session, extent: MatrixExtent) -> None:
    """Print how the command ended; a bad end is a failure of the run."""
    head = session.cluster.head.name
    ended: CommandReport | None = session.recorder.results.get(("run_command", head))
    if ended is None:
        return
    session.recorder.extras["command"] = extent.line
    session.recorder.extras["nodes"] = [document(head, ended)]
    print_commands(console_for(as_json=session.options.json), {head: ended}, extent.job_seconds)
    if not succeeded(ended):
        how = "was ended when its time was up" if ended.late else f"ended with {ended.status}"
        hint = "More time: --timeout" if ended.late else ""
        session.recorder.failures.append(Failure(head, "run_command", f"The command {how}.", hint))


def _write(session: Session, extent: MatrixExtent, found: TrafficMatrix) -> None:
    """Show the matrix, and write it to where it was asked for."""
    guests = {guest.name: str(guest.data_address.ip) for guest in session.cluster.guests}
    ranks = ranks_of(extent.line, guests)
    entry = print_matrix.document(found, ranks)
    session.recorder.extras["matrix"] = entry
    console = console_for(as_json=session.options.json)
    if not (extent.watch and session.options.json):
        console.print(print_matrix.table(found, console.width), soft_wrap=False)
    for line in print_matrix.rank_lines(extent.line, ranks):
        console.print(shown(line))
    for note in found.notes():
        session.note(note)
    if extent.csv:
        write_local(Path(extent.csv), print_matrix.csv(found))
    if extent.svg:
        write_local(Path(extent.svg), render_svg(traffic(entry), session.cluster.name))


@click.command(cls=Command)
@click.argument("words", nargs=-1, metavar="[-- COMMAND]")
@click.option("--watch", is_flag=True, help="Show rates again and again, until Ctrl-C.")
@click.option("--interval", type=click.FloatRange(0.1, count.RENEWAL), default=1.0,
              show_default=True, metavar="SECONDS", help="Between looks of --watch.")  # fmt: skip
@click.option("--for", "seconds", type=click.FloatRange(0, DAY, min_open=True), metavar="SECONDS",
              help=f"How long it counts without a command; default: {USUAL:g}.")  # fmt: skip
@click.option("--timeout", "job_seconds", type=click.FloatRange(0, 7 * DAY, min_open=True),
              default=JOB_SECONDS, show_default=True, metavar="SECONDS",
              help="When the command is ended.")  # fmt: skip
@click.option("--csv", default="", metavar="FILE", help="The pairs as a table for programs, too.")
@click.option("--svg", default="", metavar="FILE", help="The matrix as a picture, too.")
@read_only
def command(
    *, words: tuple[str, ...], watch: bool, interval: float, seconds: float | None,
    job_seconds: float, csv: str, svg: str, **options: Any,
) -> None:  # fmt: skip
    """Count the bytes that each guest sends to each, at the ports of the switch.

    While COMMAND runs on the head as the cluster's user, as mpiexec.mpich -np 3 ./job, or for some
    seconds. It is exact to the byte, and the same with every switch.
    """
    extent = MatrixExtent(" ".join(words), seconds, watch, interval, job_seconds, csv, svg)
    run(Options(**options), extent=extent)


if __name__ == "__main__":
    command(prog_name="python -m workflows.matrix")
