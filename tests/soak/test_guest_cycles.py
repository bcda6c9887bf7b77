"""Ten cycles of build and teardown with a real guest leave nothing more than one: `make soak`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from farswitch.deadline import Deadline, DeadlineError, wait_until
from tests.lab.comparison import compare
from tests.soak.ground import Ground
from tests.soak.residue import files, measure

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.soak]
Told = Callable[[str], None]
CYCLES = 10
SETTLE_SECONDS = 60.0
"""For the ends of logins and of libvirt's threads that close a guest's files."""


def cycle(ground: Ground, temporary: Path) -> None:
    """Build with a guest that boots, and tear down."""
    for workflow in ("build", "teardown"):
        run = ground.end(ground.start(workflow, TMPDIR=str(temporary)))
        assert run.status == 0, run.said
        assert run.changed > 0


def settled(ground: Ground, wanted: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return what is counted once it is as wanted, or after a while."""
    lab = ground.cluster.lab
    with contextlib.suppress(DeadlineError):
        wait_until(
            lambda: measure(lab) == wanted, Deadline(SETTLE_SECONDS), what="The end", interval=1.0
        )
    return measure(lab)


def test_ten_cycles_leave_no_descriptor_process_mount_or_byte_more(
    guests: Ground, told: Told, tmp_path: Path
):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    cycle(guests, temporary)  # libvirtd opens some of its own files at its first guest
    guests.quiet()
    before, kept = measure(guests.cluster.lab), files(guests.cluster.state)
    began = time.monotonic()
    for _ in range(CYCLES):
        cycle(guests, temporary)
    seconds = (time.monotonic() - began) / CYCLES
    guests.quiet()
    assert compare(before, settled(guests, before)) == []
    assert guests.leftovers() == []
    assert files(guests.cluster.state) == kept
    assert list(temporary.iterdir()) == []
    lines = [line.split() for one in before.values() for line in one]
    kinds = {kind: sum(words[0] == kind for words in lines) for kind in ("process", "mount")}
    opened = sum(int(words[-2]) for words in lines if words[0] == "process")
    size = sum(int(words[-1]) for words in lines if words[0] == "file")
    told(
        f"{CYCLES} cycles with a real guest, {seconds:.0f} s each: {kinds['process']} processes, "
        f"{opened} descriptors, {kinds['mount']} mounts and {size} bytes on both servers as before"
    )
