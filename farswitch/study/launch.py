"""How a program of a study is started, and what its output means: pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from farswitch.errors import FarswitchError
from farswitch.remote import source
from farswitch.study.document import StudyProgram
from farswitch.study.kernels import (
    LAUNCH_SECONDS,
    LEAST_BYTES,
    SECONDS,
    UNIT,
    KernelTimes,
    parse_kernels,
)
from farswitch.study.results import PortTraffic, Value

LEAST_FOR = {"p95": 20, "p99": 100}
"""Repetitions below which a percentile is no more than the largest value."""
KEPT = 2000
"""Characters of a program's output that are kept, from its end."""
GRACE = 5
"""Seconds that a program has to end by itself before it is killed."""
LATE = 124
"""How timeout(1) ends where the time was up."""
LAUNCHER, PYTHON = ("mpiexec.mpich",), "python3"


def command_of(
    program: StudyProgram,
    addresses: Sequence[str],
    *,
    launcher: Sequence[str] = LAUNCHER,
    python: str = PYTHON,
) -> list[str]:
    """Return the command that runs a program on nodes of these addresses, bounded in time."""
    words = shlex.split(program.run)
    if program.builtin:
        words = [python, "-c", source("mpi_kernels"), f"{SECONDS:g}"]
    ranks = program.ranks or len(addresses)
    mpiexec = [*launcher, "-np", str(ranks), "-hosts", ",".join(addresses), *words]
    return ["timeout", "-k", str(GRACE), str(seconds_of(program)), *mpiexec]


def seconds_of(program: StudyProgram) -> int:
    """Return how long a program may take."""
    return int(LAUNCH_SECONDS) if program.builtin else program.timeout


def shown_command(program: StudyProgram, ranks: int) -> str:
    """Return the command as a person reads it."""
    words = "python3 mpi_kernels.py" if program.builtin else program.run
    return f"mpiexec -np {program.ranks or ranks} {words}"


def values_in(name: str, program: StudyProgram, text: str) -> dict[str, Value]:
    """Return what a program's output says.

    Raises:
        FarswitchError: It does not say it.
    """
    if program.builtin:
        report = parse_kernels(text)
        return {f"{name}.{kernel}": _times(times) for kernel, times in report.kernels.items()}
    metric = program.metric
    assert metric is not None  # noqa: S101 - a study without it is refused
    return {name: Value(value=metric.read(text), unit=metric.unit, better=metric.better)}


def _times(times: KernelTimes) -> Value:
    """Return a kernel's times in its unit: percentiles where there are enough repetitions."""
    more = {"p95": times.p95, "p99": times.p99}
    return Value(
        value=times.p50 * 1e6,
        unit=UNIT,
        more={
            share: seconds * 1e6
            for share, seconds in more.items()
            if times.repetitions >= LEAST_FOR[share]
        },
        repetitions=times.repetitions,
    )


def outcome(
    name: str, program: StudyProgram, status: int, stdout: str, stderr: str
) -> tuple[dict[str, Value], str]:
    """Return what a program that has ended measured, and why it measured nothing."""
    if status == LATE:
        return {}, f"'{name}' did not end within {seconds_of(program)} s."
    if status != 0:
        return {}, f"'{name}' ended with status {status}."
    try:
        return values_in(name, program, f"{stdout}\n{stderr}"), ""
    except FarswitchError as error:
        return {}, str(error)


def not_crossed(
    program: StudyProgram, ports: Mapping[str, PortTraffic], *, local: bool = False
) -> str:
    """Return why a run is no result: its own bytes did not cross the ports; else nothing.

    Of our kernels it is known how many there are at least; another program may send none. In a
    `local` cell none may cross.
    """
    if local:
        crossed = sum(one.received + one.sent for one in ports.values())
        return f"The path was to be local, and {crossed:,} B crossed the switch." if crossed else ""
    if not program.builtin:
        return ""
    for guest, counted in list(ports.items())[:2]:
        if min(counted.received, counted.sent) < LEAST_BYTES:
            return (
                f"The kernels sent at least {LEAST_BYTES:,} B each way, and the port of '{guest}' "
                f"counted {counted.received:,} B in and {counted.sent:,} B out."
            )
    return ""


def tail(*outputs: str) -> str:
    """Return the ends of outputs, as many characters as are kept."""
    return "\n".join(one.strip()[-KEPT:] for one in outputs if one.strip())
