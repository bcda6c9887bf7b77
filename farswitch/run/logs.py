"""The log file: what ran, and the tracebacks, which never go to the screen."""

from __future__ import annotations

import logging
import os
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from farswitch.errors import ConfigError

LOGGER = logging.getLogger("farswitch")
LOGGER.addHandler(logging.NullHandler())  # without any, Python prints tracebacks itself
SIZE, KEPT = 5_000_000, 3
"""Bytes of one log file, and how many older ones are kept."""


def start_log(path: Path, *, verbose: bool) -> None:
    """Send our log, Nornir's and the libraries' warnings to a file that only its owner reads.

    Raises:
        ConfigError: The file cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_opens(path)
        handler = _PrivateHandler(path, maxBytes=SIZE, backupCount=KEPT, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"The log file '{path}' cannot be written: {error.strerror}.",
            hint="Choose another one with --log.",
        ) from error
    handler.setFormatter(
        logging.Formatter(
            "%(asctime)s %(process)d %(threadName)s %(name)s %(levelname)s %(message)s"
        )
    )
    handler.addFilter(_is_short)
    root = logging.getLogger()
    for before in list(root.handlers):
        if isinstance(before, RotatingFileHandler):
            root.removeHandler(before)
            before.close()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    LOGGER.setLevel(logging.DEBUG if verbose else logging.INFO)
    # What it calls an error is our business first: a guest that boots refuses many a login.
    logging.getLogger("paramiko").setLevel(logging.WARNING if verbose else logging.CRITICAL)
    logging.getLogger("nornir.core").setLevel(logging.DEBUG)


def check_opens(path: Path) -> None:
    """Raise an OSError where a file that is there cannot be written, or not at once.

    A FIFO without a reader would hold up whoever opens it (fifo(7)).
    """
    if path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))


class _PrivateHandler(RotatingFileHandler):
    """A log whose file is its owner's alone, the one after a rotation too."""

    def _open(self) -> TextIOWrapper:
        path = Path(self.baseFilename)
        path.touch(mode=0o600)
        return super()._open()


def _is_short(record: logging.LogRecord) -> bool:
    """Leave out what Nornir says of all arguments of a stage: the whole site, and each finding."""
    return not (record.name == "nornir.core" and record.levelno == logging.INFO)


def log_exception(error: BaseException) -> None:
    """Write an error with its traceback to the log."""
    LOGGER.error("%s", error, exc_info=error)
