"""The run of a study on a cluster: what `study run` and `study resume` do."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from farswitch.errors import ConfigError
from farswitch.model.cluster import Site
from farswitch.run.cli import Options, main
from farswitch.run.documents import StudyDocument
from farswitch.run.echo import echo
from farswitch.run.interrupts import ctrl_c_ends
from farswitch.run.locking import locked
from farswitch.run.print_report import console_for, failures_on
from farswitch.run.progress import can_draw_anew
from farswitch.run.report import FAILED, INTERRUPTED, OK
from farswitch.run.session import Session
from farswitch.run.terminal import shown
from farswitch.study.document import LEAST_BLOCKS
from farswitch.study.execute import Listener, Progress, execute
from farswitch.study.kept import check_same, keep
from farswitch.study.load import load_study, study_path
from farswitch.study.plan import DISCARDED, CellVisit, Study
from farswitch.study.results import Results, RunRecord, read_results, study_folder
from farswitch.study.statistics import libraries
from farswitch.study.summary import Summary, summarise
from farswitch.study.tables import document_of, figure, minutes, summary_lines
from workflows.lab_up import ensure_lab
from workflows.study_testbed import ClusterTestbed


def the_study(site: Site, word: str) -> Study:
    """Return the study that a word names, of a site."""
    return load_study(study_path(word, site), site)


@main("study-run")
def run(options: Options, word: str, *, resume: bool) -> int:
    """Run what is left of a study, and report."""
    with Session("study-run", options, quiet=True) as session:
        study = the_study(session.site, word)
        _check_begun(study_folder(study.name), study, resume=resume)
        if study.repeats >= LEAST_BLOCKS:
            libraries()  # what is missing here is said before anything is touched
        screen, complete = carry_out(session, study, part=study)
        records = read_results(study_folder(study.name))
        return _end(session, summarise(study, records), screen, complete=complete)


def carry_out(session: Session, study: Study, *, part: Study) -> tuple[Screen, bool]:
    """Run what is left of a study, or of a part of it; return whether it came to its end.

    Raises:
        ConfigError: The cluster does not have what the study wants, or its results are of another.
    """
    folder, settings = study_folder(study.name), session.site.settings
    ensure_lab(session)
    with locked(session), Results(folder) as results:
        session.read_record()
        check_same(folder, study, session.cluster.name)
        testbed = ClusterTestbed(session, study, settings, results.records)
        keep(folder, study, session.cluster.name)
        screen = Screen(console_for(as_json=session.options.json), study)
        with ExitStack() as until:
            until.callback(screen.close)
            until.enter_context(ctrl_c_ends(screen.end))
            complete = execute(part, testbed, results, screen.listener())
        testbed.leave()
    return screen, complete


def _check_begun(folder: Path, study: Study, *, resume: bool) -> None:
    """Refuse to begin what was begun, and to go on with what was not; a calibration is neither."""
    records = read_results(folder)
    begun = sum(one.block != DISCARDED for one in records)
    if begun and not resume:
        raise ConfigError(
            f"Study '{study.name}' has {begun} runs already, in {folder}.",
            hint=f"Go on with it: farswitch study resume {study.name}. To begin anew, move that "
            "folder away.",
        )
    if resume and not records:
        raise ConfigError(
            f"Study '{study.name}' has no runs yet.", hint=f"farswitch study run {study.name}"
        )


class Screen:
    """What people see of a study that runs, and the order to end after this run."""

    def __init__(self, console: Console, study: Study) -> None:
        self._console, self._study = console, study
        self._live = console.status("") if can_draw_anew(console) else None
        self.stopped = False
        self._calibrated = False
        self.left_out: list[str] = []

    def listener(self) -> Listener:
        """Return who is told what goes on."""
        return Listener(self._begins, self._ended, self._left_out, lambda: self.stopped)

    def end(self) -> None:
        """Take the order to end after this run."""
        self.stopped = True
        self._console.print(shown("This run is the last one; a second Ctrl-C ends it too."))

    def close(self) -> None:
        """Leave the screen to what is printed from now on."""
        if self._live is not None:
            self._live.stop()

    def _begins(self, progress: Progress) -> None:
        if progress.visit.block == DISCARDED:
            self._calibrated = True
        elif self._calibrated and progress.left is not None:
            self._calibrated = False
            count = progress.of - progress.number + 1
            line = (
                f"Each cell was used once: {count} runs are left, about {minutes(progress.left)}."
            )
            self._console.print(shown(line))
        if self._live is None:
            return
        left = "" if progress.left is None else f", {minutes(progress.left)} left"
        medians = "  ".join(f"{name} x{ratio:.2f}" for name, ratio in progress.medians.items())
        line = (
            f"run {progress.number} of {progress.of}: {progress.program} in "
            f"'{self._study.label(progress.visit.cell)}', block {progress.visit.block}{left}"
        )
        self._live.update(shown(f"{line}  {medians}".rstrip()))
        self._live.start()

    def _ended(self, record: RunRecord) -> None:
        self.close()
        cell = next(one for one in self._study.cells if one.key == record.cell)
        what = record.error or ", ".join(
            f"{name.rpartition('.')[2]} {figure(value.value)} {value.unit}"
            for name, value in record.values.items()
        )
        block = f"block {record.block}" if record.block else "discarded"
        noise = "  host busy" if record.noise else ""
        line = f"{block}  {self._study.label(cell)}  {record.program}  {record.seconds:.1f} s  "
        self._console.print(shown(f"{line}{what}{noise}", style="red" if record.error else ""))

    def _left_out(self, visit: CellVisit, why: str) -> None:
        line = f"block {visit.block}  {self._study.label(visit.cell)}  left out: {why}"
        self.left_out.append(line)
        self._console.print(shown(line, style="red"))


def _end(session: Session, summary: Summary, screen: Screen, *, complete: bool) -> int:
    """Print what the study says, and return the exit code."""
    console, study = console_for(as_json=session.options.json), summary.study
    for line in summary_lines(summary):
        console.print(shown(line))
    failures_on(console, session.report())
    again = f"Go on: farswitch study resume {study.name}"
    if not summary.complete:
        console.print(shown(again))
    bad = bool(screen.left_out or summary.failed or summary.host == "noisy")
    code = (FAILED if bad else OK) if complete else INTERRUPTED
    if session.options.json:
        document: StudyDocument = document_of(summary, session.cluster.name)
        document |= {"ok": code == OK, "left_out": screen.left_out}
        echo(json.dumps(document, indent=1))
    return code
