"""A program as the switch, started over a login by ssh, outlives that login."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from nornir.core.inventory import Host

from farswitch.connections.shell.ssh import SshShell
from farswitch.model.owner import Owner
from farswitch.model.switch import SwitchPort
from farswitch.switches import program_host
from farswitch.switches.program import ProgramSwitch

pytestmark = [pytest.mark.root, pytest.mark.ssh]
OWNER = Owner("lab", 41)
PORTS = (SwitchPort(1, "node1", "fsv41", "lo", "02:fa:00:00:00:01", 41, 1450),)
SWITCH = ProgramSwitch(
    command=["sh", "-c", "echo ready; sleep 1000 & wait", "switch", "{ports}"], ready="ready"
)
OWN_FOLDERS = (
    "mount --make-rprivate /; mount -t tmpfs farswitch-test /run; mkdir /run/sshd; "
    "mount -t tmpfs farswitch-test /var/lib"
)


def host_of(shell: SshShell) -> Host:
    host = Host("server2")
    host.connections["shell"] = SimpleNamespace(connection=shell)
    return host


def test_it_outlives_the_login_that_started_it(make_sshd):
    sshd = make_sshd("far", within=OWN_FOLDERS)
    first, second = SshShell(sshd.target()), SshShell(sshd.target())
    try:
        (change,) = SWITCH.plan(SWITCH.observe(host_of(first), OWNER), PORTS, OWNER)
        SWITCH.apply(host_of(first), OWNER, [change])
        (program,) = program_host.programs(host_of(first))
        first.close()
        assert sshd.logins == 1
        state = SWITCH.observe(host_of(second), OWNER)
        assert (state.fault, state.held) == ("", {"lo"})
        assert state.programs[0].pid == program.pid
        assert SWITCH.plan(state, PORTS, OWNER) == []
    finally:
        first.close()
        ProgramSwitch.remove(host_of(second), OWNER)
        assert program_host.programs(host_of(second)) == ()
        second.close()
