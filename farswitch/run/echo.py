"""Printing for a reader who may go away, as `head` does: what is printed then goes nowhere.

The run goes on, and its exit code is its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import click


@contextmanager
def reader_may_go(stream: IO[str]) -> Iterator[None]:
    """Print to a stream within the block; it ends early where nobody reads the stream any more."""
    try:
        yield
        stream.flush()
    except BrokenPipeError:
        write_nowhere(stream)


def write_nowhere(stream: IO[str]) -> None:
    """Lead a stream nowhere from now on; what Python still holds of it at its end, too."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def echo(text: str, *, err: bool = False, fg: str | None = None) -> None:
    """Print a text and a line's end on standard output, or on standard error."""
    stream = sys.stderr if err else sys.stdout
    with reader_may_go(stream):
        click.secho(text, file=stream, fg=fg)
