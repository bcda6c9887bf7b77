"""Two servers of which is known what was on them, and a cluster that comes, breaks and goes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from farswitch.deadline import Deadline, wait_until
from farswitch.lab import container, control
from tests.lab.clusters import FOREGROUND, ROOT, ClusterUnderTest, Run, warnings
from tests.lab.comparison import Snapshot, compare, observe
from tests.soak.moments import RUN_SECONDS, Moment, Running, When, await_moment

TALK = Path(__file__).with_name("talk.py").read_text(encoding="utf-8")
UNBOOTED, HELD = (str(Path(__file__).with_name(name)) for name in ("unbooted.py", "held.py"))
MTU = 1450
QUIET_SECONDS = 100.0
"""More than a timer of the firewall runs (60 s), or a lock's process hears nothing (40 s)."""
END_SECONDS = 15.0
"""For what the controller had started itself, as its ssh to libvirt."""
TENTATIVE = ("ip", "-6", "-o", "address", "show", "tentative")


@dataclass
class Ground:
    """What all crash tests stand on.

    Args:
        cluster: What is built there.
        real: Whether its guests boot; else their virtual machines stand still.
    """

    cluster: ClusterUnderTest
    real: bool = False
    before: Snapshot = field(default_factory=dict)
    idle: dict[str, Counter[str]] = field(default_factory=dict)
    spans: dict[str, float] = field(default_factory=dict)
    _runs: int = 0

    def prepare(self) -> None:
        """Raise the lab and note what is on its servers."""
        control.up(self.cluster.lab)
        self.cluster.write_site()
        for name in container.find(self.cluster.lab):
            wait_until(
                lambda name=name: not self.cluster.on(name, TENTATIVE),
                Deadline(30),
                what=f"The end of the search for duplicate addresses on '{name}'",
            )
        self.before = observe(self.cluster.lab)
        self.idle = {name: self.processes(name) for name in self.before}

    def mend(self) -> None:
        """Give a test servers as they were, whatever the one before left."""
        if not self.before or self.leftovers():
            control.down(self.cluster.lab)
            self.prepare()

    def another_controller(self) -> None:
        """Go on from a controller that knows nothing of earlier runs."""
        shutil.rmtree(self.cluster.state, ignore_errors=True)

    def start(
        self, workflow: str, *options: str, program: str = UNBOOTED, **environment: str
    ) -> Running:
        """Start a build or teardown of the site.

        Args:
            workflow: Which.
            options: More of its options.
            program: In the place of a build whose guests boot.
            environment: More variables of its environment.
        """
        site = ("--site", str(self.cluster.site))
        if workflow == "build" and not self.real:
            return self._start(program, *site, *options, **environment)
        return self._start("-m", f"workflows.{workflow}", *site, *options, **environment)

    def run(self, workflow: str, *options: str) -> Run:
        """Run a build or teardown of the site to its end."""
        return self.end(self.start(workflow, *options))

    def use(self, name: str) -> Run:
        """Put another switch in use."""
        argv = ("-m", "workflows.switch", "use", name, "--site", str(self.cluster.site))
        return self.end(self._start(*argv))

    def impair(self, *words: str) -> Run:
        """Run a command of `impair`."""
        argv = ("-m", "workflows.impair", *words, "--site", str(self.cluster.site))
        return self.end(self._start(*argv))

    def teardown_without_site(self) -> Run:
        """Tear down as one does who knows only the cluster's name and the servers."""
        lab = self.cluster.lab
        addresses = [f"root@{lab.address(member).ip}" for member in lab.members]
        named = [word for one in addresses for word in ("--server", one)]
        keys = ("--key-file", str(lab.key), "--known-hosts", str(lab.known_hosts))
        argv = ("-m", "workflows.teardown", "--cluster", self.cluster.name, *named, *keys)
        return self.end(self._start(*argv))

    def end(self, running: Running, *, seconds: float = RUN_SECONDS) -> Run:
        """Wait for the end of a run and return what it printed."""
        status = running.process.wait(seconds)
        printed = running.out.read_text(encoding="utf-8")
        said = running.out.with_suffix(".err").read_text(encoding="utf-8")
        warned = warnings(running.log, 0)
        assert status or not warned, warned
        return Run(status, json.loads(printed) if printed.strip() else {}, said)

    def crash(self, moment: Moment, workflow: str, *options: str) -> bool:
        """Start a run and kill its process at a moment; return False when it ended before."""
        running = self.start(workflow, *options)
        await_moment(running, moment)
        running.process.kill()
        status = running.process.wait(END_SECONDS)
        self.alone(running)
        return status == -signal.SIGKILL

    def crash_unconfirmed(self, workflow: str, server: str) -> None:
        """Kill a run between its change of a server's firewall and the confirmation of that."""
        running = self._start(HELD, workflow, server, "--site", str(self.cluster.site))
        stat = Path(f"/proc/{running.process.pid}/stat")
        stands = When(
            f"the firewall of '{server}' is changed",
            lambda: stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T",
        )
        await_moment(running, stands)
        running.process.kill()
        assert running.process.wait(END_SECONDS) == -signal.SIGKILL, running.said()
        self.alone(running)

    def interrupt(self, by: int, moment: Moment, workflow: str, *options: str) -> Run:
        """Start a run, send it a signal at a moment, and return how it ended."""
        running = self.start(workflow, *options)
        await_moment(running, moment)
        running.process.send_signal(by)
        run = self.end(running, seconds=END_SECONDS)
        self.alone(running)
        return run

    def alone(self, running: Running) -> None:
        """Wait for the end of whatever a run that has ended had started on this machine."""
        wait_until(
            lambda: not _of_session(running.process.pid),
            Deadline(END_SECONDS),
            what="The end of all that the controller had started",
        )

    def span(self, workflow: str) -> float:
        """Return how long a run from or to nothing takes after it has read its site."""
        if not self.spans:
            for one in ("build", "teardown"):
                running = self.start(one)
                await_moment(running, _Never())
                assert running.process.wait() == 0
                self.spans[one] = time.monotonic() - running.began
        return self.spans[workflow]

    def converges(self, *options: str, talks: bool = True) -> None:
        """Build once, find nothing to do by a second build, and a network that carries."""
        first = self.run("build", *options)
        assert first.status == 0, first.said
        again = self.run("build")
        assert (again.status, again.changed) == (0, 0), again.said + json.dumps(again.document)
        if talks and not self.real:
            self.talk()

    def talk(self) -> None:
        """Send a message of the full MTU between what stands in for the first two guests."""
        bridges = [guest_bridge(self.cluster.vni + number) for number in range(2)]
        argv = ["python3", "-", self.cluster.data, str(MTU), *bridges]
        pid = container.find(self.cluster.lab)["server1"]
        container.execute(pid, argv, stdin=TALK, timeout=60.0)

    def goes(self, *, without_site: bool = False) -> None:
        """Tear down and find both servers as they were, and nothing of ours that runs."""
        run = self.teardown_without_site() if without_site else self.run("teardown")
        assert run.status == 0, run.said
        left = self.leftovers()
        assert not left, f"{run.said}\n" + "\n".join(left)
        self.quiet()

    def leftovers(self) -> list[str]:
        """Return how both servers differ from what they were."""
        return compare(self.before, observe(self.cluster.lab))

    def root(self, server: str) -> Path:
        """Return the root folder of a server, as this machine sees it."""
        return self.cluster.root(server)

    def quiet(self, *, guests: bool = True) -> None:
        """Wait until the servers run nothing but what they ran before."""
        for name in self.before:
            wait_until(
                lambda name=name: self.processes(name, guests=guests) == self.idle[name],
                Deadline(QUIET_SECONDS),
                what=f"The end of all of ours on '{name}'",
            )

    def processes(self, server: str, *, guests: bool = True) -> Counter[str]:
        """Return the command lines of all that runs on a server, but for the question."""
        listed = self.cluster.on(server, ["ps", "-e", "-o", "args="]).splitlines()
        passed = ("ps -e ",) if guests else ("ps -e ", "/usr/bin/qemu-system")
        return Counter(line.strip() for line in listed if not line.startswith(passed))

    def _start(self, *argv: str, **more: str) -> Running:
        self._runs += 1
        log, out = (self.cluster.folder / f"run{self._runs}.{kind}" for kind in ("log", "out"))
        environment = os.environ | {
            "XDG_STATE_HOME": str(self.cluster.state),
            "PYTHONPATH": str(ROOT),
            **more,
        }
        with out.open("wb") as said, out.with_suffix(".err").open("wb") as complained:
            process = subprocess.Popen(
                [*FOREGROUND, sys.executable, *argv, "--json", "-v", "--log", str(log)],
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=said,
                stderr=complained, start_new_session=True,
            )  # fmt: skip
        return Running(process, log, out)


class _Never:
    """A moment that does not come: the run ends first."""

    def __str__(self) -> str:
        return "after its end"

    def reached(self, run: Running) -> bool:
        run.said()
        return False


def guest_bridge(vni: int) -> str:
    """Return the name of a guest's own bridge on its hypervisor."""
    return f"fsb{vni}"


def _of_session(session: int) -> list[int]:
    """Return the processes of a session that have not ended."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == session and fields[0] not in "XZ":  # proc(5)
            found.append(int(folder.name))
    return found
