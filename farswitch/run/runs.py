"""The runs that are kept on the controller: one file each, its owner's alone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from farswitch.errors import ConfigError
from farswitch.run.local_files import replace_private
from farswitch.run.run_document import VERSION, Run
from farswitch.site.state_folder import state_folder
from farswitch.state.document import load_versioned, reason

KEPT = 200
"""Runs that are kept; the oldest goes with each further one."""
LIST = "All runs: farswitch runs"


def runs_folder() -> Path:
    """Return where this user's runs are."""
    return state_folder() / "runs"


def new_name(started: datetime, workflow: str, cluster: str) -> str:
    """Return the name of a run that has no file yet."""
    name = "-".join(filter(None, (f"{started.astimezone(UTC):%Y%m%dT%H%M%SZ}", workflow, cluster)))
    names = [name, *(f"{name}-{number}" for number in range(2, KEPT))]
    return next(name for name in names if not _path(name).exists())


def save(run: Run) -> Path:
    """Keep a run, and no more of the older ones than `KEPT` in all.

    Raises:
        OSError: It cannot be written.
    """
    path = _path(run.name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_private(path, run.model_dump_json(indent=1))
    for old in run_names()[KEPT:]:
        _path(old).unlink(missing_ok=True)
    return path


def run_names() -> list[str]:
    """Return the names of all runs, the latest first."""
    return sorted((path.stem for path in runs_folder().glob("*.json")), reverse=True)


def load(word: str = "") -> Run:
    """Return the latest run whose name begins with a word, or that is of such a workflow.

    A word may also be the path of a run's file; none means the latest run of all.

    Raises:
        ConfigError: There is no such run, or it cannot be read.
    """
    if os.sep in word:
        return _read(Path(word))
    for name in run_names():
        if name.startswith(word) or f"{name.partition('-')[2]}-".startswith(f"{word}-"):
            return _read(_path(name))
    what = f"no run '{word}'" if word else "no run yet"
    raise ConfigError(f"There is {what} in {runs_folder()}.", hint=LIST if word else "")


def load_all() -> Iterator[Run]:
    """Yield every run that can be read, the latest first."""
    for name in run_names():
        with contextlib.suppress(ConfigError):  # of a newer release, or cut off by a full disk
            yield _read(_path(name))


def _path(name: str) -> Path:
    return runs_folder() / f"{name}.json"


def _read(path: Path) -> Run:
    try:
        return Run.model_validate(load_versioned(path.read_bytes(), VERSION, f"The run '{path}'"))
    except OSError as error:
        raise ConfigError(f"The run '{path}' cannot be read: {error.strerror}.") from error
    except ValueError as error:
        why = reason(error) if isinstance(error, ValidationError) else str(error)
        raise ConfigError(f"'{path}' is no run of farswitch: {why}.", hint=LIST) from error
