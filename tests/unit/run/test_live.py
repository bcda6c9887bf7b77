"""A run on a terminal: what a program of ours shows there while it runs, and leaves at its end."""

from __future__ import annotations

import re
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from nornir.core import Nornir
from nornir.core.inventory import Defaults, Group, Groups, Host, Hosts, Inventory, ParentGroups
from nornir.core.task import Result, Task
from nornir.plugins.runners import ThreadedRunner
from rich.console import Console

from farswitch.connections.shell.protocol import HostKeyError
from farswitch.deadline import Deadline, awaited_by, wait_until
from farswitch.errors import FarswitchError
from farswitch.guests import wait_ready
from farswitch.guests.boot import Boot
from farswitch.model.cluster import cluster
from farswitch.run.live import LiveView
from farswitch.run.recorder import Recorder
from farswitch.run.rows import Row
from farswitch.run.stages import Stage, guests, run_stages, step
from farswitch.site.loader import load_site
from tests.terminal import Terminal, run_on_terminal

GUESTS_64 = """
import sys
from pathlib import Path
from nornir.core import Nornir
from nornir.core.inventory import Defaults, Group, Groups, Host, Hosts, Inventory, ParentGroups
from nornir.core.task import Result
from nornir.plugins.runners import ThreadedRunner
from farswitch.deadline import Deadline, wait_until
from farswitch.run.live import view_on
from farswitch.run.print_report import console_for, show
from farswitch.run.recorder import Recorder
from farswitch.run.report import Report
from farswitch.run.stages import Stage, guests, run_stages, step

view = view_on(console_for(as_json=False))
recorder = Recorder(view)
groups = Groups({"guest": Group("guest")})
names = [f"node{number}" for number in range(1, 65)]
hosts = Hosts({name: Host(name, groups=ParentGroups([groups["guest"]])) for name in names})
inventory = Inventory(hosts=hosts, groups=groups, defaults=Defaults())
nornir = Nornir(inventory=inventory, runner=ThreadedRunner(64)).with_processors([recorder])

def vm_boot(task):
    if task.host.name not in ("node1", "node2"):
        wait_until(Path(sys.argv[1]).exists, Deadline(90), what="The file")
    return Result(host=task.host)

def nfs(task):
    wait_until(Path(sys.argv[1]).exists, Deadline(3000), what="The file")
    return Result(host=task.host)

def record(task):
    return Result(host=task.host)

view.foresee(["record", "vm_boot", "nfs", "mpi_smoke"])
view.start()
run_stages(nornir, [Stage(guests, (step(record),)), Stage(guests, (step(vm_boot), step(nfs)))])
recorder.close()
view.stop()
show(Report("build", "lab", rows=tuple(recorder.rows.values())), as_json=False, verbose=0)
"""
SHOWN = r"""done   record \d+\.\d s
now    vm_boot \d+ s, nfs \d+ s, 0 of 64 hosts done
ahead  mpi_smoke
node\[3-64\] \(62\)  vm_boot  \d+(-\d+)? s of (9\d|[1-9]\d\d) s
node\[1-2\] \(2\) {4}nfs      \d+(-\d+)? s of 3\d\d\d s"""


@pytest.mark.parametrize("columns", [80, 140])
def test_64_guests_on_24_rows_fold_and_nothing_scrolls(tmp_path: Path, columns: int):
    seen: list[str] = []

    def look(terminal: Terminal) -> None:
        screen = "\n".join(terminal.shown())
        if re.fullmatch(SHOWN, screen) and not seen:
            assert terminal.scrolled == terminal.wrapped == []
            seen.append(screen)
            (tmp_path / "go").touch()

    program = [sys.executable, "-c", GUESTS_64, str(tmp_path / "go")]
    code, terminal = run_on_terminal(program, columns=columns, look=look)
    assert (code, len(seen)) == (0, 1), terminal.raw
    assert [line.split()[:2] for line in terminal.shown()[:4]] == [
        ["Stage", "Hosts"], ["record", "64"], ["vm_boot", "64"], ["nfs", "64"],
    ], "the report, and nothing of the view"  # fmt: skip


def test_a_dumb_terminal_gets_a_line_a_stage_and_no_orders(tmp_path: Path):
    (tmp_path / "go").touch()
    program = [sys.executable, "-c", GUESTS_64, str(tmp_path / "go")]
    code, terminal = run_on_terminal(program, env={"TERM": "dumb"})
    assert code == 0, terminal.raw
    assert "\x1b" not in terminal.raw
    assert [line.split()[0] for line in terminal.shown()[:4]] == [
        "Stage", "record", "vm_boot", "nfs",
    ]  # fmt: skip


EXEC = """
import sys
from pathlib import Path
from types import SimpleNamespace
from farswitch.deadline import Deadline, wait_until
from farswitch.guests.commands import CommandReport
from farswitch.model.cluster import cluster
from farswitch.run import session
from farswitch.site.loader import load_site
from farswitch.state.record import complete
from tasks import run_command
from workflows import exec as workflow

folder = Path(sys.argv[1])
record = complete(None, cluster(load_site(str(folder))), 3, 1450)
session.shell = lambda host: None
session.read = lambda login, name: record

def run_line(login, line, user, seconds):
    if login.host == "node3":
        wait_until((folder / "go").exists, Deadline(seconds), what="The file")
    return CommandReport(status=0, stdout="Linux\\n", stderr="", late=False, cut=False)

run_command.shell = lambda task: SimpleNamespace(host=task.host.name)
run_command.run_line = run_line
workflow.command(["--site", str(folder), "uname"])
"""


def test_exec_counts_who_has_answered_and_keeps_its_output_clean(silent_site: Path):
    waiting = re.compile(r"now    run_command \d+ s, 2 of 3 hosts done\nnode3  run_command  \d+ s")
    seen: list[str] = []

    def look(terminal: Terminal) -> None:
        if found := waiting.match("\n".join(terminal.shown())):
            seen.append(found[0])
            (silent_site / "go").touch()

    with (silent_site / "out").open("w") as out:
        code, terminal = run_on_terminal(
            [sys.executable, "-c", EXEC, str(silent_site)],
            look=look,
            env={"XDG_STATE_HOME": str(silent_site / "state")},
            stdout=out,
        )
    assert code == 0, terminal.raw
    assert seen
    assert terminal.shown() == [], "gone at the end"
    rule = "-" * 15
    assert (silent_site / "out").read_text() == f"{rule}\nnode[1-3] (3)\n{rule}\nLinux\n"


@pytest.fixture
def view() -> LiveView:
    return LiveView(Console(width=80, height=24))


def test_what_was_foreseen_and_left_out_is_not_ahead_any_more(view: LiveView):
    view.foresee(["preflight", "image_source", "record", "vm_boot", "mpi"])
    view.stage(["preflight"], 2)
    view.began("server1", "preflight")
    assert view.moment().ahead == ("image_source", "record", "vm_boot", "mpi")
    view.stage(["record"], 1)
    assert view.moment().ahead == ("record", "vm_boot", "mpi")
    view.began("server1", "record")
    view.stage(["mine"], 1)
    assert view.moment().ahead == ("mine", "vm_boot", "mpi"), "a step of one's own in between"


def test_a_step_that_comes_again_is_not_done_meanwhile(view: LiveView):
    view.began("node1", "ssh_keys")
    view.ended(Row("ssh_keys", 0.0, 1.0))
    assert [row.name for row in view.moment().behind] == ["ssh_keys"]
    view.began("node1", "ssh_keys")
    assert view.moment().behind == ()


def test_a_host_that_failed_is_counted_apart(view: LiveView):
    nornir = nornir_of("node1", "node2", "node3").with_processors([Recorder(view)])

    def vm_boot(task: Task) -> Result:
        if task.host.name == "node1":
            raise FarswitchError("No.")
        return Result(host=task.host)

    run_stages(nornir, [Stage(guests, (step(vm_boot),), vital=False)])
    now = view.moment()
    assert (now.hosts, now.through, now.failed, now.at_work) == (3, 2, 1, [])


def nornir_of(*names: str) -> Nornir:
    groups = Groups({"guest": Group("guest")})
    hosts = Hosts({name: Host(name, groups=ParentGroups([groups["guest"]])) for name in names})
    inventory = Inventory(hosts=hosts, groups=groups, defaults=Defaults())
    return Nornir(inventory=inventory, runner=ThreadedRunner(len(names)))


def test_the_deadline_shown_is_the_one_that_the_step_waits_for(view: LiveView):
    """All readings are of one clock, so the shown one lies between those around it."""
    release, made = threading.Event(), list[Deadline]()

    def vm_boot(task: Task) -> Result:
        made.append(Deadline(90))
        wait_until(release.is_set, made[0], what="The release")
        return Result(host=task.host)

    stages = [Stage(guests, (step(vm_boot),))]
    nornir = nornir_of("node1").with_processors([Recorder(view)])
    run = threading.Thread(target=run_stages, args=(nornir, stages))
    run.start()

    def left() -> tuple[float, float, float] | None:
        if not made:
            return None
        before = made[0].remaining()
        at_work = view.moment().at_work
        shown = at_work[0].left if at_work else None
        return None if shown is None else (before, shown, made[0].remaining())

    try:
        before, shown, after = wait_until(left, Deadline(30), what="The deadline on the screen")
    finally:
        release.set()
        run.join()
    assert before >= shown >= after
    assert view.moment().at_work == []


def test_the_outermost_wait_of_a_thread_is_the_one_that_counts():
    thread = threading.get_ident()
    outer, inner = Deadline(300), Deadline(30)
    with outer.awaited(), inner.awaited():
        assert awaited_by(thread) is outer
    assert awaited_by(thread) is None
    with suppress(FarswitchError), outer.awaited():
        raise FarswitchError("Gone.")
    assert awaited_by(thread) is None
    with outer.awaited(), outer.awaited():
        pass
    assert awaited_by(thread) is None


@pytest.mark.parametrize(("answer", "first"), [(None, 77), (30.0, 30), (90.0, 77)])
def test_a_boot_shows_the_deadline_of_each_of_its_waits(
    silent_site: Path, monkeypatch: pytest.MonkeyPatch, answer: float | None, first: float
):
    defaults = silent_site / "defaults.yaml"
    defaults.write_text(f"{defaults.read_text()}  boot_timeout: 77\n")
    guest = cluster(load_site(str(silent_site))).guests[0]
    waits: list[float] = []

    def note(_: object = None, **__: object) -> SimpleNamespace:
        waits.append(getattr(awaited_by(threading.get_ident()), "seconds", 0.0))
        return SimpleNamespace(run=fail)

    def fail(*_: object, **__: object) -> None:
        note()
        raise HostKeyError("node1", "another", "", hint="")

    running = SimpleNamespace(domain=lambda _name: SimpleNamespace(state="running"))
    boot = Boot(running, None, guest, None, None)
    monkeypatch.setattr(wait_ready, "shell", note)
    with pytest.raises(HostKeyError):
        wait_ready.wait_until_ready(None, boot, answer)
    assert waits == [first, 77.0]
