"""Two servers and two guests in namespaces as the testbed of a study: MPI without any machine."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from farswitch.study.document import StudyProgram
from farswitch.study.execute import Entered, Measured
from farswitch.study.host_state import host_state, port_traffic
from farswitch.study.launch import command_of, not_crossed, outcome, seconds_of, tail
from farswitch.study.plan import Cell
from farswitch.study.results import PathProof
from tests.netns.built_servers import Net, pid, sh
from tests.netns.exchanges import heard

BIN = Path(sys.executable).parent
ENVIRONMENT = {
    "MPIR_CVAR_NOLOCAL": "1", "UCX_TLS": "tcp,self", "UCX_NET_DEVICES": "data0",
    "PYTHONDONTWRITEBYTECODE": "1",
}  # fmt: skip
REMOTE_SHELL = """#!/bin/sh
# What mpiexec takes for rsh: runs the command in the namespace of the guest with that address.
host=$1; shift
exec nsenter --target="$(cat "{folder}/$host")" --net --mount -- /bin/sh -c "$*"
"""


class NamespaceTestbed:
    """`change` makes a cell on the servers; all guests take part."""

    def __init__(self, net: Net, change: Callable[[Cell], None]) -> None:
        self.net, self._change = net, change
        self._rsh = net.folder / "rsh"
        self._rsh.write_text(REMOTE_SHELL.format(folder=net.folder))
        self._rsh.chmod(0o755)
        for guest in net.cluster.guests:
            address = guest.data_address
            box = net.boxes[guest.name]
            sh(box, f"ip addr replace {address} dev data0; mount -t sysfs none /sys")  # for UCX
            (net.folder / str(address.ip)).write_text(pid(box))

    @property
    def environment(self) -> Mapping[str, Any]:
        return {"where": "namespaces"}

    def begin_block(self) -> None:
        """The guests have no memory that could be kept."""

    def enter(self, cell: Cell) -> Entered:
        self._change(cell)
        tunnel = self.net.cluster.guests[0].tunnel
        before = self._port(tunnel)
        crossed = heard(self.net) and self._port(tunnel) > before
        proof = PathProof(ok=crossed, checks=1, conclusion="an echo crossed the switch")
        return Entered({"switch": cell.switch}, proof, {}, {})

    def measure(self, cell: Cell, name: str, program: StudyProgram) -> Measured:
        guests = self.net.cluster.guests
        ports = {guest.name: guest.tunnel for guest in guests}
        server, head = self.net.boxes["server2"], self.net.boxes[guests[0].name]
        launcher = (
            str(BIN / "mpiexec"), "-launcher", "rsh", "-launcher-exec", str(self._rsh),
        )  # fmt: skip
        argv = command_of(
            program,
            [str(guest.data_address.ip) for guest in guests],
            launcher=launcher,
            python=sys.executable,
        )
        words = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
        before = host_state(server, list(ports.values()), 0.05)
        began = time.time()
        path = f"PATH={BIN}:{os.environ['PATH']}"
        ended = head.run(
            ["env", path, *words, *argv], timeout=seconds_of(program) + 30, check=False
        )
        seconds = time.time() - began
        values, error = outcome(name, program, ended.status, ended.stdout, ended.stderr)
        counted = port_traffic(before, host_state(server, list(ports.values())), ports)
        return Measured(
            command=program.run,
            began=began,
            seconds=seconds,
            status=ended.status,
            values=values,
            error=error or not_crossed(program, counted),
            output=tail(ended.stdout, ended.stderr) if error else "",
            load={"server2": before.load},
            ports=counted,
        )

    def _port(self, tunnel: str) -> int:
        return sum(host_state(self.net.boxes["server2"], [tunnel]).traffic[tunnel][:2])
