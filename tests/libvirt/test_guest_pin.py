"""A guest's processor and QEMU's other threads run where a site says, as the kernel lists them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from farswitch.guests.wait_ready import BootError
from farswitch.model.pin import Pin
from tests.libvirt.libvirtd import Server
from tests.libvirt.small_cluster import NODE1, SmallCluster

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
    assert made.build() == [f"~ domain {NODE1} (redefine)"]
    made.teardown()


def test_huge_pages_that_are_not_there_are_no_guest(
    cluster: Callable[..., SmallCluster], server: Server
):
    made = cluster()
    pin(made, hugepages=True)
    with pytest.raises(BootError, match="huge"):
        made.build()
    made.teardown()
