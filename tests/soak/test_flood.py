"""A guest of a cluster that writes to its console without an end, escape codes among it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from farswitch.deadline import Deadline, wait_until
from tests.soak.ground import Ground

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.soak]
Told = Callable[[str], None]
FLOOD = r"yes $(printf '\033[2J\033]0;evil\007') >/dev/console 2>&1 & echo $! >/run/flood"


def test_it_is_worked_on_as_ever(guests: Ground, told: Told):
    built = guests.run("build")
    assert built.status == 0, built.said
    node = guests.cluster.guest(1)
    node.root(FLOOD)
    logs = guests.root("server1") / "var/log/libvirt/qemu"
    full = logs / f"{guests.cluster.name}-node1-console.log.0"
    wait_until(full.exists, Deadline(300), what="The first file that is full")
    assert b"\033]0;evil" in full.read_bytes()
    again = guests.run("build")
    assert (again.status, again.changed) == (0, 0), again.said
    assert "\033" not in again.said
    seen = guests.run("verify", "--only", "guest")
    assert seen.status == 0, seen.said
    node.root("kill $(cat /run/flood)")
    guests.goes()
    told("console of a real guest flooded while it was built and verified")
