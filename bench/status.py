"""What a look at many guests takes: their tunnels on both servers, and as many virtual machines.

`python -m bench.status` makes the network of 100 guests in a lab of its own, and 100 machines that
stand still from their start on, without disks; then runs `status` as a user does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.benchmark import Benchmark, Measures, Report
from bench.build import run_workflow
from bench.measure import Measure, in_turns
from bench.pairs import longest
from bench.plane import MTU, Plane
from bench.site import open_lab, write_site
from farswitch.errors import FarswitchError
from farswitch.lab import container
from farswitch.lab.addresses import Lab
from farswitch.model.cluster import Cluster
from farswitch.run.cli import Options
from farswitch.run.session import Session
from farswitch.run.stages import Stage, step
from farswitch.state.record import complete
from tasks.record import record

MANY, GOAL = 100, 2.0
"""Guests, and seconds that a look at them may take, Python's start included."""
LIMIT = 600.0
"""Seconds that libvirt may take for all machines."""
DOMAIN = """\
<domain type='qemu'><name>{name}</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>
"""


def make_network(options: Options) -> Cluster:
    """Make all that a cluster has on its servers but virtual machines, with memory for them or not.

    Raises:
        FarswitchError: A step failed.
    """
    with Session("build", options) as session:
        cluster = session.cluster
        Plane(session, whole=True).ours()
        want = complete(None, cluster, len(cluster.guests), MTU)
        keep = step(record, owner=cluster.owner, want=want, have=None)
        if not session.run([Stage(session.is_head, (keep,))]):
            raise FarswitchError("\n".join(one.error for one in session.recorder.failures))
        return cluster


def define(lab: Lab, names: Sequence[str], start: Sequence[str]) -> None:
    """Define virtual machines on a lab's hypervisor, and start some, which stand still then."""
    pid = container.find(lab)["server1"]
    lines = []
    for number, name in enumerate(names):
        file = f"/run/domain{number}.xml"
        container.execute(pid, ["tee", file], stdin=DOMAIN.format(name=name))
        lines.append(f"define {file}")
    lines += [f"start {name} --paused" for name in start]
    container.execute(pid, ["virsh", "-q"], stdin="\n".join([*lines, "quit\n"]), timeout=LIMIT)
    container.execute(pid, ["sh", "-c", "rm -f /run/domain*.xml"])


def measure(folder: Path, rounds: int, guests: int, report: Report) -> Measures:
    """Look at many guests by `status`, as a process of its own."""
    bench = write_site(folder, guests, prefix=16)
    with open_lab() as lab:
        cluster = make_network(Options(site=str(bench.folder), log=str(folder / "log")))
        names = [guest.domain for guest in cluster.guests]
        define(lab, names, names)
        report(f"{guests} guests stand")
        took = in_turns(rounds, {"status": lambda: run_workflow("status", bench)}, report)
    seconds = tuple(one.seconds for one in took["status"])
    goal = GOAL * max(1.0, guests / MANY)
    found = longest(took["status"])
    return (Measure(f"status of {guests} guests", seconds, goal=goal, found=found),)


BENCHMARK = Benchmark(measure, rounds=3, full=5, guests=(MANY,))

if __name__ == "__main__":
    BENCHMARK.main()
