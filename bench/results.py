"""What a run of the benchmarks leaves: one JSON file in `bench/results/`."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter

from bench.guests import kvm_works
from bench.measure import Measure

FOLDER = Path(__file__).with_name("results")
_NUMBER = re.compile(r"\d+(\.\d+)+")
_VERSIONS = {
    "farswitch": ("git", "-C", str(FOLDER.parent), "describe", "--always", "--dirty"),
    "QEMU": ("qemu-system-x86_64", "--version"),
    "libvirt": ("virsh", "--version"),
    "nft": ("nft", "--version"),
    "iproute2": ("ip", "-Version"),
    "virt-install": ("virt-install", "--version"),
    "Ansible": ("ansible-playbook", "--version"),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a run took place; `load` is the number of runnable processes before it began."""

    processor: str
    cores: int
    memory_gib: float
    virtualisation: bool
    load: float


@dataclass(frozen=True, slots=True)
class BenchRun:
    """One run: when, where, with what, and what came out.

    Attributes:
        date: In UTC, as ISO 8601 writes it.
        full: With the rounds that medians and their spread need.
        minutes: How long it took.
        versions: Of the programs that took part.
        failures: The benchmarks that did not come to their end, and why.
    """

    date: str
    full: bool
    minutes: float
    machine: Machine
    versions: dict[str, str]
    measures: tuple[Measure, ...]
    failures: dict[str, str]


_DOCUMENT = TypeAdapter(BenchRun)


def write(run: BenchRun, folder: Path = FOLDER) -> Path:
    """Write the file of a run and return its path; its name ends with what kind of run it was."""
    folder.mkdir(exist_ok=True)
    kind = "full" if run.full else "short"
    path = folder / f"{run.date.replace(':', '')}-{kind}.json"
    path.write_bytes(_DOCUMENT.dump_json(run, indent=1) + b"\n")
    return path


def read(path: Path) -> BenchRun:
    """Return the run that a file holds.

    Raises:
        pydantic.ValidationError: It is no such file.
    """
    return _DOCUMENT.validate_json(path.read_bytes())


def newest(folder: Path = FOLDER) -> Path | None:
    """Return the last full run's file, or the last one where none was full."""
    files = sorted(folder.glob("*.json"), key=lambda file: ("-full" in file.name, file.name))
    return files[-1] if files else None


def now() -> str:
    """Return the date and time in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def machine() -> Machine:
    """Describe this machine."""
    fields = (line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines())
    names = [value.strip() for key, _, value in fields if key.strip() == "model name"]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Machine(
        processor=names[0] if names else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(memory, 1),
        virtualisation=kvm_works(),
        load=round(os.getloadavg()[0], 1),
    )


def versions() -> dict[str, str]:
    """Return the versions of kernel, Python and the programs that are there."""
    found = {"kernel": platform.release(), "Python": platform.python_version()}
    for name, argv in _VERSIONS.items():
        try:
            done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30)
        except (OSError, subprocess.SubprocessError):
            continue
        number = _NUMBER.search(done.stdout)
        found[name] = number[0] if number else done.stdout.strip()
    return found
