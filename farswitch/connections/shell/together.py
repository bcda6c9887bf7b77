"""Several scripts in one round trip, and what each of them printed."""

from __future__ import annotations

from collections.abc import Sequence

from farswitch.connections.shell.protocol import Raw
from farswitch.remote import script

TOGETHER = script("together")


def command(mark: str, scripts: Sequence[Sequence[str]]) -> list[str]:
    """Return the command that runs scripts, each a text with its arguments.

    `mark` is what none of them prints.
    """
    words = [word for one in scripts for word in (str(len(one)), *one)]
    return ["sh", "-c", TOGETHER, "sh", mark, *words]


def split(raw: Raw, mark: str, count: int) -> list[Raw]:
    """Return what each of so many scripts gave back.

    Raises:
        ValueError: Some did not run.
    """
    end = mark.encode() + b" "
    outputs, errors = raw.stdout.split(end), raw.stderr.split(end)
    if len(outputs) != count + 1 or len(errors) != count + 1:
        raise ValueError(f"{len(outputs) - 1} of {count} scripts ran")
    parts, stdout, stderr = [], outputs[0], errors[0]
    for output, error in zip(outputs[1:], errors[1:], strict=True):
        status, _, following = output.partition(b"\n")
        parts.append(Raw(int(status), stdout, stderr))
        stdout, stderr = following, error.partition(b"\n")[2]
    return parts
