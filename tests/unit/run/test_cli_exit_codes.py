"""Bad input through the real command line: exit code 2, one clear sentence, nothing touched.

The servers of the site are two sockets of the test's own, so that a login that is tried is seen.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from farswitch.connections.shell.keys import generate
from farswitch.site.loader import ROOT

ADDRESSES = ("127.0.0.1", "127.0.0.2")
HOSTS = """\
server1: {hostname: 127.0.0.1, port: PORT, groups: [hypervisor], data: {underlay: 198.51.100.1}}
server2: {hostname: 127.0.0.2, port: PORT, groups: [switch], data: {underlay: 198.51.100.2}}
node[1-3]: {groups: [guest]}
"""
GROUPS = """\
hypervisor: {data: {key_file: key, known_hosts: known}}
switch: {data: {key_file: key, known_hosts: known}}
"""
DEFAULTS = """\
data:
  cluster: test
  vni_base: 41
  data_network: 10.0.0.0/24
  management_network: 10.10.0.0/24
"""
NO_MORE_PORTS = "one bridge delivers broadcasts to no more ports"
LONG = "n" * 64
BAD_FILES = {
    "unknown-key": (
        ("defaults.yaml", "vni_base", "vni_bse"),
        "defaults.yaml, line 3: 'vni_bse' is no known key, wanted 'vni_base'.",
    ),
    "wrong-type": (
        ("defaults.yaml", "vni_base: 41", "vni_base: many"),
        "defaults.yaml, line 3: 'vni_base' is \"many\", wanted a number from 1 to 16777215.",
    ),
    "overlapping-subnets": (
        ("defaults.yaml", "10.10.0.0/24", "10.0.0.0/16"),
        "'management_network' is 10.0.0.0/16, which overlaps 'data_network' 10.0.0.0/24",
    ),
    "vni-zero": (
        ("defaults.yaml", "vni_base: 41", "vni_base: 0"),
        "'vni_base' is 0, wanted a number from 1 to 16777215.",
    ),
    "vni-of-25-bits": (
        ("defaults.yaml", "vni_base: 41", "vni_base: 16777216"),
        "'vni_base' is 16777216, wanted a number from 1 to 16777215.",
    ),
    "more-nodes-than-addresses": (
        ("hosts.yaml", "node[1-3]", "node[1-245]"),
        "there are 245 guests, wanted 244 at most: 10.0.0.0/24 has addresses for no more.",
    ),
    "more-nodes-than-a-bridge-bears": (
        ("hosts.yaml", "node[1-3]", "node[1-901]"),
        f"'node[1-901]' names 901 guests, wanted 900 at most: {NO_MORE_PORTS}.",
    ),
    "name-with-semicolon": (
        ("hosts.yaml", "node[1-3]", '"node;reboot"'),
        "'node;reboot' cannot be a name",
    ),
    "name-with-slash": (("hosts.yaml", "node[1-3]", "node/1"), "'node/1' cannot be a name"),
    "name-of-64-characters": (("hosts.yaml", "node[1-3]", LONG), f"'{LONG}' cannot be a name"),
    "two-guests-of-one-name": (
        ("hosts.yaml", "node[1-3]", "node2: {groups: [guest]}\nnode[1-3]"),
        "'node2' is named twice",
    ),
    "server-without-hostname": (
        ("hosts.yaml", "hostname: 127.0.0.1, ", ""),
        "'server1.hostname' is missing, wanted an IP address of that server, or its DNS name.",
    ),
    "no-digest": (
        ("defaults.yaml", "vni_base: 41", "image: {source: disk.qcow2, sha256: abc}"),
        "'image.sha256' is \"abc\", wanted 64 hexadecimal digits in lower case.",
    ),
}


@dataclass
class Ended:
    status: int
    stdout: str
    stderr: str


@dataclass
class SiteOfTwoSockets:
    """A site that a test may spoil, and the sockets that its servers are."""

    site: Path
    sockets: list[socket.socket]

    def spoil(self, file: str, old: str, new: str) -> None:
        before = (self.site / file).read_text()
        assert old in before
        (self.site / file).write_text(before.replace(old, new, 1))

    def run(self, workflow: str, *arguments: str, site: str = "site") -> Ended:
        argv = [sys.executable, "-m", f"workflows.{workflow}", "--site", site, *arguments]
        state = {"XDG_STATE_HOME": str(self.site.parent / "state"), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            argv,
            cwd=self.site.parent,
            env={**os.environ, **state},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def touched(self) -> bool:
        for one in self.sockets:
            one.settimeout(0)
            try:
                one.accept()[0].close()
            except BlockingIOError:
                continue
            return True
        return False


@pytest.fixture
def place(tmp_path: Path) -> Iterator[SiteOfTwoSockets]:
    sockets = [socket.socket() for _ in ADDRESSES]
    port = 0
    for one, address in zip(sockets, ADDRESSES, strict=True):
        one.bind((address, port))
        one.listen()
        port = one.getsockname()[1]
    site = tmp_path / "site"
    site.mkdir()
    (site / "hosts.yaml").write_text(HOSTS.replace("PORT", str(port)))
    (site / "groups.yaml").write_text(GROUPS)
    (site / "key").write_text(generate("user").private)
    (site / "defaults.yaml").write_text(DEFAULTS)
    yield SiteOfTwoSockets(site, sockets)
    for one in sockets:
        one.close()


def assert_refused(ended: Ended, sentence: str) -> None:
    assert ended.status == 2, ended
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("Error: ")
    assert sentence in line


@pytest.mark.parametrize(("edit", "sentence"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_site_ends_with_2_and_one_sentence(
    place: SiteOfTwoSockets, edit: tuple[str, str, str], sentence: str
):
    place.spoil(*edit)
    assert_refused(place.run("build"), sentence)
    assert not place.touched()


@pytest.mark.parametrize("workflow", ["build", "verify", "stop", "start", "teardown"])
def test_a_site_that_is_not_there_ends_with_2(place: SiteOfTwoSockets, workflow: str):
    assert_refused(place.run(workflow, site="nowhere"), "'nowhere' is no site")
    assert not place.touched()


def test_more_nodes_than_addresses_end_with_2(place: SiteOfTwoSockets):
    assert_refused(
        place.run("build", "--nodes", "245"),
        "The number of guests is 245, wanted a number from 1 to 244",
    )
    assert not place.touched()


@pytest.mark.parametrize("plan", [(), ("--dry-run",)], ids=["build", "plan"])
def test_more_nodes_than_a_bridge_bears_end_with_2(place: SiteOfTwoSockets, plan: tuple[str, ...]):
    place.spoil("defaults.yaml", "10.0.0.0/24", "10.0.0.0/20")
    place.spoil("defaults.yaml", "10.10.0.0/24", "10.10.0.0/20")
    assert_refused(
        place.run("build", "--nodes", "901", *plan),
        f"The number of guests is 901, wanted a number from 1 to 900: {NO_MORE_PORTS}.",
    )
    assert not place.touched()


@pytest.mark.parametrize("workflow", ["build", "start", "stop", "teardown", "orphans"])
def test_the_exit_code_of_a_plan_is_for_dry_runs(place: SiteOfTwoSockets, workflow: str):
    sentence = "--detailed-exitcode goes with --dry-run."
    assert_refused(place.run(workflow, "--detailed-exitcode"), sentence)
    assert not place.touched()


def test_every_mistake_of_a_site_is_reported_in_one_run(place: SiteOfTwoSockets):
    place.spoil("defaults.yaml", "vni_base: 41", "vni_base: 0")
    place.spoil("hosts.yaml", "hostname: 127.0.0.1, ", "")
    ended = place.run("build")
    assert ended.status == 2
    assert "'vni_base' is 0" in ended.stderr
    assert "'server1.hostname' is missing" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("workflow", ["build", "verify", "stop", "start", "teardown"])
def test_json_has_the_reason_why_there_was_no_run(place: SiteOfTwoSockets, workflow: str):
    ended = place.run(workflow, "--json", site="nowhere")
    assert ended.status == 2
    printed = json.loads(ended.stdout)
    assert (printed["workflow"], printed["ok"], printed["changed"]) == (workflow, False, 0)
    assert "'nowhere' is no site" in printed["failures"][0]["error"]


def test_the_log_has_the_traceback_that_the_screen_has_not(place: SiteOfTwoSockets):
    assert place.run("build", site="nowhere").status == 2
    log = place.site.parent / "state/farswitch/build.log"
    assert "Traceback" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_a_good_site_does_reach_for_its_servers(place: SiteOfTwoSockets):
    """The control of all others here: without it, "not touched" would mean nothing."""
    for one in place.sockets:
        one.settimeout(30)
    ended = subprocess.Popen(
        [sys.executable, "-m", "workflows.build", "--site", str(place.site)],
        cwd=ROOT,
        env={**os.environ, "XDG_STATE_HOME": str(place.site.parent / "state")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with ended:
        with place.sockets[0].accept()[0] as login:  # without a banner it would be asked again
            login.sendall(b"SSH-2.0-none\r\n")
        assert ended.stderr is not None
        printed = ended.stderr.read()
    assert ended.returncode == 1
    assert "No connection to 'server1'" in printed
    assert "Traceback" not in printed
