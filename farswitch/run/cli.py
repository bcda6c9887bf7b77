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
from typing import Any, NoReturn

import click

from farswitch.errors import ConfigError, FarswitchError
from farswitch.run.completion import sites
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
    json: bool = False
    verbose: int = 0
    log: str | None = None


_SHARED = (
    click.option("--nodes", type=click.IntRange(min=1), help="How many guests; build resizes."),
    click.option(
        "--site",
        metavar="FOLDER",
        help="The site's folder or name; default: config.yaml's.",
        shell_complete=sites,
    ),
    click.option("--workers", type=click.IntRange(1, 1000), help="Hosts worked on at once."),
    click.option("--dry-run", is_flag=True, help="Print what would change; touch nothing."),
    click.option("--json", is_flag=True, help="One JSON document on standard output."),
    click.option(
        "-v",
        "--verbose",
        count=True,
        help="Every change and check; -vv: all results.",
    ),
    click.option("--log", metavar="FILE", help="Where the log goes; default: the state folder."),
)


def shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the shared options."""
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
                with _sigterm_as_ctrl_c():
                    code = command(options, **others)
            except KeyboardInterrupt:
                click.echo("Interrupted. Run the same command again to go on.", err=True)
                _leave(INTERRUPTED)
            except Exception as error:  # noqa: BLE001 - tracebacks go to the log file only
                log_exception(error)
                failure = _explained(error)
                _print_error(failure, workflow, as_json=options.json)
                code = USAGE if isinstance(failure, ConfigError) else FAILED
            sys.exit(code)

        return wrapper

    return decorate


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
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _print_error(error: FarswitchError, workflow: str, *, as_json: bool) -> None:
    """Print an error of no stage, and the JSON document that has nothing else."""
    click.secho(safe(f"Error: {error}"), err=True, fg="red")
    if error.hint:
        click.echo(safe(error.hint), err=True)
    if as_json:
        failures = [Failure(host="", stage="", error=str(error), hint=error.hint)]
        report = Report(workflow, cluster="", failures=failures)
        click.echo(json.dumps(report.document(), indent=1))
