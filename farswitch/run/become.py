"""Turning into another program, which then has the terminal, and ends as it ends."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from farswitch.errors import FarswitchError


def become(argv: Sequence[str], *, hint: str) -> NoReturn:
    """Turn into a program; `hint` says how it is installed.

    Raises:
        FarswitchError: There is no such program.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and a program inherits that
    try:
        os.execvp(argv[0], list(argv))  # noqa: S606 - no shell is wanted
    except OSError as error:
        raise FarswitchError(
            f"Program '{argv[0]}' cannot be started here: {error.strerror}.", hint=hint
        ) from error
