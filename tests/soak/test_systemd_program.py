"""A program as the switch on a machine with systemd: its unit, and what outlives what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from nornir.core.inventory import Host

from bench.testbed import open_testbed
from farswitch.connections.shell.local import LocalShell
from farswitch.deadline import Deadline, wait_until
from farswitch.image.build import build
from farswitch.image.recipe import recipe
from farswitch.model.owner import Owner
from farswitch.model.switch import SwitchPort
from farswitch.remote.switch_programs import FILES, STATES
from farswitch.switches import program_host
from farswitch.switches.program import ProgramSwitch
from tests.soak.machine import BOOT_SECONDS

pytestmark = [pytest.mark.root, pytest.mark.soak]
OWNER = Owner("lab", 41)
PORTS = (SwitchPort(1, "node1", "fsv41", "lo", "02:fa:00:00:00:01", 41, 1450),)
SWITCH = ProgramSwitch(
    command=["sh", "-c", "sleep 1000 & echo ready; wait", "switch", "{ports}"], ready="ready"
)
UNITS = "systemctl list-units --all --plain --no-legend 'farswitch-lab-switch-*'"
_SSH = "import os, shlex, sys; n = int(sys.argv[1]) + 2; os.execvp('ssh', [*sys.argv[2:n], "
_SSH += "shlex.join(sys.argv[n:])])"


@pytest.fixture(scope="module")
def server() -> Iterator[Host]:
    """Return a host whose every command has a login of its own, which ends with it."""
    with open_testbed() as bed:
        image = build(recipe())
        guest = bed.start(image, bed.seed(1))
        bed.wait_ready(guest, Deadline(BOOT_SECONDS))
        known = bed.folder / f"{guest.seed.instance_id}.known_hosts"
        options = (
            *("ssh", "-F", "none", "-o", f"UserKnownHostsFile={known}"),
            *("-o", f"IdentityFile={bed.folder}/key", "-o", "IdentitiesOnly=yes"),
            f"root@{guest.address}",
        )
        prefix = ("ip", "netns", "exec", bed.name, "python3", "-c", _SSH, str(len(options)))
        host = Host("server2")
        host.connections["shell"] = SimpleNamespace(
            connection=LocalShell("server2", (*prefix, *options))
        )
        yield host


def run(host: Host, command: str) -> str:
    shell: LocalShell = host.connections["shell"].connection
    return shell.run(["sh", "-c", command]).stdout


def build_switch(host: Host) -> list[str]:
    changes = SWITCH.plan(SWITCH.observe(host, OWNER), PORTS, OWNER)
    SWITCH.apply(host, OWNER, changes)
    return [str(change) for change in changes]


def state(host: Host) -> dict[str, dict[str, int]]:
    (program,) = program_host.programs(host, OWNER.cluster)
    return dict(json.loads(run(host, f"cat {STATES}/lab/{program.id}/state.json")))


def left(host: Host) -> str:
    return run(host, f"ls -d {STATES} {FILES} 2>/dev/null; {UNITS}; pgrep -a sleep; true")


def test_it_is_a_unit_of_systemd_and_outlives_its_login(server: Host):
    assert build_switch(server) == ["+ program sh (1 port)"]
    (program,) = program_host.programs(server)
    assert f"farswitch-lab-switch-{program.id}.service loaded active running" in " ".join(
        run(server, UNITS).split()
    )
    group = run(server, f"cat /proc/{program.pid}/cgroup")
    assert group.strip().endswith(f"/system.slice/farswitch-lab-switch-{program.id}.service")
    assert SWITCH.observe(server, OWNER).fault == ""
    assert build_switch(server) == []


def test_a_killed_supervisor_leaves_no_process(server: Host):
    build_switch(server)
    run(server, f"kill -KILL {state(server)['supervisor']['pid']}")
    wait_until(
        lambda: not run(server, f"{UNITS}; pgrep -a sleep; true"), Deadline(60), what="The end"
    )
    assert "ended with its supervisor, which was killed" in SWITCH.observe(server, OWNER).fault
    (line,) = build_switch(server)
    assert "started anew" in line


def test_a_stopped_unit_is_named(server: Host):
    build_switch(server)
    run(server, "systemctl stop 'farswitch-lab-switch-*'")
    assert "was killed by signal 15 (SIGTERM)" in SWITCH.observe(server, OWNER).fault


def test_a_removal_leaves_nothing(server: Host):
    build_switch(server)
    ProgramSwitch.remove(server, OWNER)
    wait_until(lambda: not left(server), Deadline(60), what="The unit's end")
    assert build_switch(server) == ["+ program sh (1 port)"]
    ProgramSwitch.remove(server, OWNER)
