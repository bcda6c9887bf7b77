"""The options that all workflows share, and how a command ends."""

from __future__ import annotations

import functools
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click

from farswitch.errors import ConfigError, FarswitchError
from farswitch.run.completion import sites
from farswitch.run.echo import echo, reader_may_go
from farswitch.run.logs import log_exception
from farswitch.run.report import FAILED, INTERRUPTED, USAGE, Report
from farswitch.run.rows import Failure
from farswitch.run.terminal import safe


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    site: str | None = None
    nodes: int | None = None
    workers: int | None = None
    dry_run: bool = False
    detailed_exitcode: bool = False
    json: bool = False
    verbose: int = 0
    log: str | None = None


_DRY_RUN = click.option("--dry-run", is_flag=True, help="Print what would change; touch nothing.")
_SITE = click.option(
    "--site",
    metavar="FOLDER",
    help="The site's folder or name; default: config.yaml's.",
    shell_complete=sites,
)
_LOG = click.option("--log", metavar="FILE", help="Where the log goes; default: the state folder.")
_DETAILED = click.option(
    "--detailed-exitcode", is_flag=True, help="With --dry-run: exit code 3 for changes."
)
_SHARED = (
    click.option("--nodes", type=click.IntRange(min=1), help="How many guests; build resizes."),
    _SITE,
    click.option("--workers", type=click.IntRange(1, 1000), help="Hosts worked on at once."),
    click.option("--json", is_flag=True, help="One JSON document on standard output."),
    click.option(
        "-v",
        "--verbose",
        count=True,
        help="Every change and check; -vv: all results.",
    ),
    _LOG,
)


def interactive(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that leads a person to a guest the options that it has any use for."""
    return _SITE(_LOG(command))


def shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the shared options."""
    return read_only(_DRY_RUN(command))


def changing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that changes what stands the shared options, and those of its plan."""
    return read_only(_DRY_RUN(_DETAILED(command)))


def read_only(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that changes nothing the shared options."""
    for option in reversed(_SHARED):
        command = option(command)
    return command


def main(workflow: str) -> Callable[[Callable[..., int]], Callable[..., None]]:
    """Turn what a command returns or raises into an exit code and one clear sentence.

    The workflow is the command's name in the JSON document.
    """

    def decorate(command: Callable[..., int]) -> Callable[..., None]:
        @functools.wraps(command)
        def wrapper(options: Options, **others: Any) -> None:
            try:
                _check_current_folder()
                _check_options(options)
                with _sigterm_as_ctrl_c():
                    code = command(options, **others)
            except KeyboardInterrupt:
                echo("Interrupted. Run the same command again to go on.", err=True)
                _leave(INTERRUPTED)
            except Exception as error:  # noqa: BLE001 - tracebacks go to the log file only
                log_exception(error)
                failure = _explained(error)
                _print_error(failure, workflow, as_json=options.json)
                code = USAGE if failure.usage else FAILED
            sys.exit(code)

        return wrapper

    return decorate


def _check_options(options: Options) -> None:
    """Refuse options that mean nothing without each other."""
    if options.detailed_exitcode and not options.dry_run:
        raise ConfigError("--detailed-exitcode goes with --dry-run.")


def _check_current_folder() -> None:
    """Refuse to run where relative paths mean nothing."""
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise ConfigError(
            "The current folder is gone: somebody removed it.", hint="Change to another one: cd"
        ) from error


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Let SIGTERM, by which a service manager or a CI ends a run, do what Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _explained(error: Exception) -> FarswitchError:
    """Return the error as it is printed."""
    if isinstance(error, FarswitchError):
        return error
    return FarswitchError(
        f"{type(error).__name__}: {error}",
        hint="This is a fault of farswitch; the log file has the traceback.",
    )


def _leave(code: int) -> NoReturn:
    """End the process now: worker threads may wait for a guest for minutes yet.

    Every change is safe to be cut off at any point, and the kernel closes the connections.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with reader_may_go(stream):
            stream.flush()
    os._exit(code)


def _print_error(error: FarswitchError, workflow: str, *, as_json: bool) -> None:
    """Print an error of no stage, and the JSON document that has nothing else."""
    echo(safe(f"Error: {error}"), err=True, fg="red")
    if error.hint:
        echo(safe(error.hint), err=True)
    if as_json:
        failures = [Failure(host="", stage="", error=str(error), hint=error.hint)]
        report = Report(workflow, cluster="", failures=failures)
        echo(json.dumps(report.document(), indent=1))
