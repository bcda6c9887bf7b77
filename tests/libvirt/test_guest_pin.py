"""A guest's processor and QEMU's other threads run where a site says, as the kernel lists them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from farswitch.guests.wait_ready import BootError
from farswitch.model.pin import Pin
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from tasks.checks.guest.pin import PROBE
from tests.libvirt.libvirtd import Server
from tests.libvirt.small_cluster import NODE1, SmallCluster
from tests.proving import checks_of

DEFINED = [f"~ domain {NODE1} (redefine)"]
ALLOWED = """
pid=$(cat "/run/libvirt/qemu/$1.pid")
for task in /proc/$pid/task/*; do
  echo "$(cat $task/comm): $(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' $task/status)"
done
"""


def pin(made: SmallCluster, **chosen: object) -> None:
    settings = made.cluster.settings.model_copy(update={"pin": Pin.model_validate(chosen)})
    guests = tuple(replace(guest, settings=settings) for guest in made.cluster.guests)
    made.cluster = replace(made.cluster, settings=settings, guests=guests)


def verdict(made: SmallCluster) -> Check:
    """Return what verify says of the guest."""
    server = replace(made.cluster.hypervisors[0], local=True)
    guests = tuple(replace(one, hypervisor=server.name) for one in made.cluster.guests)
    there = replace(made.cluster, hypervisors=(server,), guests=guests)
    hosts = {server.name: made.host}
    context = Context(there, cast("Any", None), 1450, hosts, Path("/logins"), "build-again")
    (found,) = checks_of(context, PROBE)
    return found


def test_threads_run_on_the_processors_of_the_site(
    cluster: Callable[..., SmallCluster], server: Server
):
    made = cluster()
    pin(made, vcpus="1", emulator="0", numa=0)
    made.build()
    assert server.sh('virsh -q vcpupin "$1"', NODE1).split() == ["0", "1"]
    assert server.sh('virsh -q emulatorpin "$1"', NODE1).split()[-1] == "0"
    allowed = dict(line.split(": ") for line in server.sh(ALLOWED, NODE1).splitlines())
    processors = {name: cpus for name, cpus in allowed.items() if name.startswith("CPU 0")}
    assert set(processors.values()) == {"1"}
    assert {cpus for name, cpus in allowed.items() if name not in processors} == {"0"}
    assert made.build() == []
    pin(made)
    assert made.build() == DEFINED
    made.teardown()


def test_a_guest_that_was_moved_is_named_and_the_fix_moves_it_back(
    cluster: Callable[..., SmallCluster], server: Server
):
    made = cluster()
    pin(made, vcpus="1", emulator="0", numa=0)
    made.build()
    assert verdict(made).ok
    server.sh('virsh vcpupin "$1" 0 0 --live; virsh emulatorpin "$1" 0-1 --live', NODE1)
    moved = verdict(made)
    assert not moved.ok
    assert moved.measured == (
        "its processor 0 on 0, QEMU's other threads on 0-1, memory strict of node 0"
    )
    assert "build-again" not in moved.fix
    server.sh(moved.fix)
    assert verdict(made).ok
    made.teardown()


def test_a_definition_that_was_edited_is_named_and_a_build_mends_it(
    cluster: Callable[..., SmallCluster], server: Server
):
    made = cluster()
    pin(made, vcpus="1")
    made.build()
    server.sh('virsh vcpupin "$1" 0 0 --config; virsh numatune "$1" --nodeset 0 --config', NODE1)
    edited = verdict(made)
    assert edited.measured == (
        "its processor 0 on 1; at its next start: its processor 0 on 0, memory strict of node 0"
    )
    assert (edited.ok, edited.fix) == (False, "build-again")
    assert made.build() == DEFINED
    assert verdict(made).ok
    pin(made)
    unpinned = verdict(made)
    assert (unpinned.expected, unpinned.fix) == (
        "not pinned", f"virsh destroy {NODE1} && build-again"
    )  # fmt: skip
    assert made.build() == DEFINED
    assert verdict(made).measured == "its processor 0 on 1", "it runs as it was started"
    server.sh(f"virsh destroy {NODE1}")
    assert verdict(made).ok is None
    made.teardown()


def test_huge_pages_that_are_not_there_are_no_guest(
    cluster: Callable[..., SmallCluster], server: Server
):
    made = cluster()
    pin(made, hugepages=True)
    with pytest.raises(BootError, match="huge"):
        made.build()
    made.teardown()
