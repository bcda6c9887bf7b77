"""Commands and files on guests, side by side: `python -m workflows.exec`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
from nornir.core.inventory import Host

from farswitch.errors import ConfigError
from farswitch.guests.commands import CommandReport
from farswitch.model.node_names import expand, fold
from farswitch.run.cli import Options, main, read_only
from farswitch.run.command import Command
from farswitch.run.echo import echo
from farswitch.run.live import view_on_terminal
from farswitch.run.local_files import LocalFile, read_local
from farswitch.run.print_commands import document, print_commands, succeeded
from farswitch.run.print_report import console_for, failures_on
from farswitch.run.report import FAILED, OK
from farswitch.run.session import Session
from farswitch.run.stages import Stage, Step, step
from farswitch.run.terminal import shown
from tasks.copy_file import copy_file
from tasks.run_command import run_command
from workflows.lab_up import check_lab

SECONDS = 60.0
LONGEST = 16_384
"""Bytes of a command: Linux takes 128 KiB of one argument (MAX_ARG_STRLEN), and on its way each of
them may become five."""


@dataclass(frozen=True, slots=True)
class ExecExtent:
    """What is run and copied, where, as whom (the cluster's user if not said), and how long."""

    line: str = ""
    on: tuple[str, ...] = ()
    user: str = ""
    seconds: float = SECONDS
    files: tuple[LocalFile, ...] = ()

    @classmethod
    def parse(
        cls, words: Sequence[str], on: str, user: str, seconds: float, copies: Sequence[str]
    ) -> ExecExtent:
        """Read what was typed, files included.

        Raises:
            ConfigError: It cannot be meant.
        """
        line = " ".join(words)
        if not (line or copies):
            raise ConfigError("There is no command, and no --copy FILE: nothing to do.")
        try:
            size = len(line.encode())
        except UnicodeEncodeError as error:
            raise ConfigError("The command is no text in UTF-8.") from error
        if size > LONGEST:
            raise ConfigError(
                f"The command has {size} bytes, wanted {LONGEST} at most.",
                hint="Write it into a script, and copy that: --copy script.sh 'sh script.sh'",
            )
        names = tuple(dict.fromkeys(expand(on))) if on else ()
        return cls(line, names, user, seconds, tuple(map(read_local, copies)))


def steps(extent: ExecExtent, user: str) -> tuple[Step, ...]:
    """Return what is done on a guest: the copies, then the command."""
    copies = tuple(
        step(
            copy_file, f"copy {number}", content=file.content, file_name=file.name,
            path=file.path, mode=file.mode, user=user, seconds=extent.seconds,
        )
        for number, file in enumerate(extent.files)
    )  # fmt: skip
    line = step(run_command, line=extent.line, user=user, seconds=extent.seconds)
    return (*copies, line) if extent.line else copies


@main("exec")
def run(options: Options, typed: dict[str, Any]) -> int:
    """Run and show."""
    extent = ExecExtent.parse(**typed)
    with Session("exec", options, view=view_on_terminal(console_for(as_json=True))) as session:
        check_lab(session)
        session.read_record()
        _ = session.built_record
        every = [guest.name for guest in session.cluster.guests]
        names = [session.guest(name).name for name in extent.on or every]
        user = extent.user or session.cluster.settings.user

        def on(host: Host) -> bool:
            return host.name in names

        session.run([Stage(on, steps(extent, user), vital=False)])
        session.end_view()
        return _show(session, names, extent)


def _show(session: Session, names: Sequence[str], extent: ExecExtent) -> int:
    """Print what came of it; return the exit code."""
    found = session.recorder.results
    reports: dict[str, CommandReport] = {
        name: found["run_command", name] for name in names if ("run_command", name) in found
    }
    console, report = console_for(as_json=session.options.json), session.report()
    copied: list[dict[str, Any]] = [
        {"file": file.name, "nodes": [name for name in names if (f"copy {number}", name) in found]}
        for number, file in enumerate(extent.files)
    ]
    for one in copied:
        if one["nodes"]:
            nodes = f"{fold(one['nodes'])} ({len(one['nodes'])})"
            console.print(shown(f"{one['file']}: copied to {nodes}"))
    print_commands(console, reports, extent.seconds)
    failures_on(console, report)
    bad = sum(not succeeded(one) for one in reports.values())
    ok = not (bad or report.failures)
    if session.options.json:
        more = {
            "ok": ok,
            "failed": len(report.failures) + bad,
            "command": extent.line,
            "copied": copied,
            "nodes": [document(name, one) for name, one in reports.items()],
        }
        echo(json.dumps(report.document() | more, indent=1))
    return OK if ok else FAILED


@click.command(cls=Command)
@click.argument("words", nargs=-1, metavar="COMMAND")
@click.option("--on", default="", metavar="NODES", help="Which guests: node[2-3]; default: all.")
@click.option("--as", "user", type=click.Choice(["root"]), help="Whose session; default: the"
              " cluster's user.")  # fmt: skip
@click.option("--timeout", "seconds", type=click.FloatRange(min=0, min_open=True, max=7 * 86400),
              default=SECONDS, show_default=True, metavar="SECONDS",
              help="When it is ended on a guest.")  # fmt: skip
@click.option("--copy", "copies", multiple=True, metavar="FILE[:PATH]",
              help="First copy this file there; once for each.")  # fmt: skip
@read_only
def command(
    *, words: tuple[str, ...], on: str, user: str | None, seconds: float,
    copies: tuple[str, ...], **options: Any,
) -> None:  # fmt: skip
    """Run a command on guests side by side, and show what it printed, grouped where equal.

    Exit code 1 where it ended with another status than 0 on any of them.
    """
    typed = {"words": words, "on": on, "user": user or "", "seconds": seconds, "copies": copies}
    run(Options(**options), typed=typed)


if __name__ == "__main__":
    command(prog_name="python -m workflows.exec")
