"""A cluster under test: its site, the project's commands as a user types them, and its guests."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farswitch.lab import container
from farswitch.lab.addresses import Lab
from tests.lab.guests import Login
from tests.schemas import assert_fits

ROOT = Path(__file__).parents[2]
COMMAND_SECONDS = 900.0
FOREGROUND = ("env", "--default-signal=INT")
"""A job in a shell's background would not hear of Ctrl-C."""
LINE = re.compile(r"\d{4}-\S+ \S+ \d+ .*? ([\w.]+) (DEBUG|INFO|WARNING|ERROR|CRITICAL) ")
"""A line of the log: who wrote it, and how bad it is."""

DEFAULTS = """\
data:
  cluster: {name}
  vni_base: {vni}
  data_network: {data}.0/24
  management_network: {management}.0/24
  lab: {{name: {lab.name}, controller_network: {lab.control}, underlay_network: {lab.underlay}}}
  {more}
"""
GROUPS = """\
hypervisor: {{data: {{key_file: {lab.key}, known_hosts: {lab.known_hosts}}}}}
switch: {{data: {{key_file: {lab.key}, known_hosts: {lab.known_hosts}}}}}
"""
SERVER = """\
{member.name}:
  hostname: {control}
  groups: [{role}]
  data: {{underlay: {underlay}}}
"""


@dataclass(frozen=True, slots=True)
class Run:
    """How a command ended, and the document that it printed."""

    status: int
    document: dict[str, Any]
    said: str

    @property
    def changed(self) -> int:
        return int(self.document["changed"])

    @property
    def errors(self) -> str:
        return "\n".join(one["error"] for one in self.document["failures"])

    def failed_checks(self) -> list[dict[str, Any]]:
        return [check for check in self.document["checks"] if not check["ok"]]

    def crossed(self) -> tuple[int, int]:
        """Return how many bytes crossed the switch, and of how many, as verify concludes.

        A pair that was slow once is asked again: how many there are depends on the machine.
        """
        crossed, wanted = re.findall(r"([\d,]+) of ([\d,]+) payload", self.document["conclusion"])[
            0
        ]
        return int(crossed.replace(",", "")), int(wanted.replace(",", ""))


def warnings(log: Path, start: int) -> list[str]:
    """Return the lines of WARNING or above that were written since the log had this size.

    Those of paramiko do not count: it tells of guests that do not answer yet.
    """
    if not log.exists():
        return []
    content = log.read_bytes()
    lines = content[start if start <= len(content) else 0 :].decode(errors="replace").splitlines()
    found = ((line, LINE.match(line)) for line in lines)
    return [
        line
        for line, one in found
        if one and one[2] not in {"DEBUG", "INFO"} and not one[1].startswith("paramiko")
    ]


def logs(folder: Path) -> dict[Path, int]:
    """Return the logs of runs below a folder, and how large they are."""
    return {path: path.stat().st_size for path in folder.rglob("*log") if path.is_file()}


def assert_quiet(folder: Path, before: dict[Path, int]) -> None:
    """Fail where a good run has left a line of WARNING or above in a log of `before`'s folder."""
    found = [line for log in logs(folder) for line in warnings(log, before.get(log, 0))]
    assert found == [], "a good run has nothing to warn of"


@dataclass
class ClusterUnderTest:
    """A site for a lab in `folder`; `data` and `management` are the first three numbers."""

    name: str
    vni: int
    data: str
    management: str
    lab: Lab
    folder: Path
    size: int = 3
    runs: list[Run] = field(default_factory=list)

    @property
    def site(self) -> Path:
        return self.folder / self.name

    @property
    def state(self) -> Path:
        """Where the controller's logs and logins are."""
        return self.folder / "state"

    def write_site(self, more: str = "boot_timeout: 300") -> None:
        """Write the site's files; `more` is one further line of settings."""
        self.site.mkdir(exist_ok=True)
        fields = {"name": self.name, "vni": self.vni, "lab": self.lab, "more": more}
        fields |= {"data": self.data, "management": self.management}
        (self.site / "defaults.yaml").write_text(DEFAULTS.format(**fields))
        (self.site / "groups.yaml").write_text(GROUPS.format(lab=self.lab))
        servers = (
            SERVER.format(
                member=member,
                role="hypervisor" if member.hypervisor else "switch",
                control=self.lab.address(member).ip,
                underlay=self.lab.underlay_address(member).ip,
            )
            for member in self.lab.members
        )
        guests = f"node[1-{self.size}]: {{groups: [guest]}}\n"
        (self.site / "hosts.yaml").write_text("".join(servers) + guests)

    def forget_lab(self) -> None:
        """Make the site one of servers that nobody raises, as real ones are."""
        defaults = self.site / "defaults.yaml"
        lines = defaults.read_text().splitlines(keepends=True)
        defaults.write_text("".join(line for line in lines if not line.startswith("  lab: ")))

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"XDG_STATE_HOME": str(self.state)}

    def argv(self, workflow: str, *words: str) -> list[str]:
        """Return a command, which may be one of a group as `app build`, as a user types it."""
        name, *command = workflow.split()
        module = ["-m", f"workflows.{name}", *command]
        return [sys.executable, *module, "--site", str(self.site), *words]

    def start(self, workflow: str, *words: str, **streams: Any) -> subprocess.Popen[Any]:
        """Start a command, which Ctrl-C ends; its streams lead nowhere unless they are given."""
        nowhere = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        argv = [*FOREGROUND, *self.argv(workflow, *words)]
        return subprocess.Popen(argv, cwd=ROOT, env=self.environment, **(nowhere | streams))

    def run(self, workflow: str, *options: str) -> Run:
        """Run a workflow as a user does, with `--json`."""
        log = self.state / f"farswitch/{workflow.replace(' ', '-')}.log"
        before = log.stat().st_size if log.exists() else 0
        ended = subprocess.run(
            self.argv(workflow, "--json", *options), cwd=ROOT, env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False,
        )  # fmt: skip
        document = json.loads(ended.stdout) if ended.stdout.strip() else {}
        if document:
            assert_fits(workflow.split(maxsplit=1)[0], document)
        run = Run(ended.returncode, document, ended.stderr)
        assert run.status != 0 or warnings(log, before) == [], "a good run has nothing to warn of"
        self.runs.append(run)
        return run

    def follow(self, fix: str) -> None:
        """Type the command that a check gives as its fix, as a user does."""
        ended = subprocess.run(
            ["sh", "-c", fix], cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, f"{fix}: {ended.stdout}{ended.stderr}"

    def good(self, workflow: str, *options: str) -> Run:
        """Run a workflow that must end well."""
        run = self.run(workflow, *options)
        assert run.status == 0, run.said
        return run

    def guest(self, number: int) -> Login:
        """Return the login that the build offers to its user, for one node."""
        configuration = self.state / "farswitch/clusters" / self.name / "ssh_config"
        return Login(configuration, f"node{number}", f"{self.data}.{10 + number}")

    def guests(self, count: int = 3) -> list[Login]:
        return [self.guest(number) for number in range(1, count + 1)]

    def boots(self, count: int = 3) -> list[str]:
        """Return what tells one boot of each guest from another."""
        return [guest.root("cat /proc/sys/kernel/random/boot_id") for guest in self.guests(count)]

    def on(self, server: str, argv: Sequence[str], *, stdin: str = "") -> str:
        """Run a program on a server, past the project's own logins."""
        pid = container.find(self.lab)[server]
        return container.execute(pid, argv, stdin=stdin, timeout=120.0)

    @contextmanager
    def keeping(self, path: str) -> Iterator[None]:
        """Have a file of both servers afterwards as it was before, or not at all."""
        kept = f"/run/kept-{Path(path).name}"
        for server in ("server1", "server2"):
            self.on(server, ["sh", "-ec", f"[ ! -e {path} ] || cp -p {path} {kept}"])
        yield
        for server in ("server1", "server2"):
            self.on(server, ["sh", "-ec", f"rm -f {path}; [ ! -e {kept} ] || mv {kept} {path}"])

    def root(self, server: str) -> Path:
        """Return the root folder of a server, as this machine sees it."""
        return Path(f"/proc/{container.find(self.lab)[server]}/root")

    def pool(self) -> Path:
        """Return the folder of server1's guests, as this machine sees it."""
        return self.root("server1") / "var/lib/libvirt/images/farswitch"
