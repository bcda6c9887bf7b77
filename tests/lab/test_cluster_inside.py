"""Into the guests: commands, ssh, console; and off and on again with all else kept."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from farswitch.deadline import Deadline, wait_until
from tests.documented import run_script
from tests.lab.clusters import ROOT, ClusterUnderTest

pytestmark = [pytest.mark.lab, pytest.mark.root]
SECONDS = 120.0
SLEEP = "sleep 98765"
LEAVE = b"\x1d"
"""What leaves a console: Ctrl and ]."""


def typed(cluster: ClusterUnderTest, command: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Type a command as a user does, and wait for its end."""
    return subprocess.run(
        cluster.argv(command, *words), cwd=ROOT, env=cluster.environment, timeout=SECONDS * 2,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


def sleeps(cluster: ClusterUnderTest) -> bool:
    """Return whether the test's command runs on node3."""
    look = r"grep -lsaE '^sleep.98765' /proc/[0-9]*/cmdline || true"
    return bool(cluster.guest(3).root(look))


def test_a_command_runs_on_every_guest_and_equal_output_is_one_group(
    built: ClusterUnderTest, tmp_path: Path
) -> None:
    shown = typed(built, "exec", "id -un; pwd")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.splitlines()[1:] == ["node[1-3] (3)", "-" * 15, "mpi", "/home/mpi"]
    script = tmp_path / "who.sh"
    script.write_text(
        'hostname; id -u; env | grep -c ^HYDRA_HOST_FILE; [ "$(hostname)" = node3 ]\n'
    )
    script.chmod(0o755)
    copied = ["--as", "root", "--on", "node[2-3]", "--copy", f"{script}:/run/"]
    told = built.run("exec", *copied, "/run/who.sh")
    assert (told.status, told.document["ok"]) == (1, False)
    nodes = {
        node["name"]: (node["stdout"].split(), node["status"]) for node in told.document["nodes"]
    }
    assert nodes == {"node2": (["node2", "0", "1"], 1), "node3": (["node3", "0", "1"], 0)}


def test_a_command_ends_there_with_its_caller(built: ClusterUnderTest) -> None:
    with built.start("exec", "--timeout", "1000", "--on", "node3", SLEEP) as caller:
        try:
            wait_until(lambda: sleeps(built), Deadline(SECONDS), what="The start of the command")
            caller.terminate()  # as Ctrl-C, which a run in the background does not get
            assert caller.wait(SECONDS) == 130
        finally:
            caller.kill()
    wait_until(lambda: not sleeps(built), Deadline(SECONDS), what="The end of the command")


RECIPE = """\
about: a program of the test's
needs: [sh]
packages: [dash]
choices: {WORD: hello}
script: |
  sed "s/WORD/$WORD/" program.sh >"$BIN/program"
  chmod 755 "$BIN/program"
  test "$WORD" != bad
"""


def test_an_application_is_made_once_in_the_share_and_run_on_every_node(
    built: ClusterUnderTest, tmp_path: Path
) -> None:
    recipe, source = tmp_path / "mine.yaml", tmp_path / "source"
    recipe.write_text(RECIPE)
    source.mkdir()
    (source / "program.sh").write_text("#!/bin/sh\necho WORD\n")
    words = [str(recipe), "--from", str(source)]
    try:
        assert built.good("app build", *words, "--dry-run").document["app"]["programs"] == []
        made = built.good("app build", *words).document
        assert (made["changed"], made["app"]["programs"]) == (1, ["program"])
        assert built.good("app build", *words).document["changed"] == 0
        ran = built.good("exec", f"{made['app']['folder']}/bin/program").document["nodes"]
        assert [node["stdout"] for node in ran] == ["hello\n"] * 3
        failed = built.run("app build", *words, "--set", "WORD=bad")
        assert failed.status == 1
        assert "'mine' cannot be compiled on 'node1'" in failed.document["failures"][0]["error"]
        lacking = tmp_path / "lacking.yaml"
        lacking.write_text(RECIPE.replace("[sh]", "[sh, nosuchcc]"))
        failed = built.run("app build", str(lacking), "--from", str(source))
        assert "lacks nosuchcc" in failed.document["failures"][0]["error"]
        assert "packages: [dash]" in failed.document["failures"][0]["hint"]
    finally:
        built.guest(1).good("rm -rf /shared/apps")


def test_ssh_writes_its_configuration_and_ends_as_the_command_does(built: ClusterUnderTest) -> None:
    folder = built.guest(1).configuration.parent
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for path in folder.iterdir():
        path.unlink()
    ended = typed(built, "ssh", "node2", "--", "cat /etc/hostname; id -un; exit 7")
    assert (ended.returncode, ended.stdout) == (7, "node2\nmpi\n"), ended.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_inventories_beside_it_are_ansibles_and_nornirs(
    built: ClusterUnderTest, tmp_path: Path
) -> None:
    folder = built.guest(1).configuration.parent
    done = run_script("on_guests.py", tmp_path, str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    printed = click.unstyle(done.stdout).splitlines()
    assert [line for line in printed if re.fullmatch(r"node\d", line)] == [
        "node1",
        "node2",
        "node3",
    ]
    if shutil.which("ansible") is None:
        pytest.skip("needs ansible, which `python -m bench.peer` installs")
    words = ["ansible", "-i", str(folder / "ansible.yaml"), "guests[-1]", "-u", "root", "-o"]
    own = {"ANSIBLE_HOME": str(tmp_path), "ANSIBLE_REMOTE_TMP": "/run/ansible",
           "ANSIBLE_SSH_ARGS": "-o ControlMaster=no"}  # fmt: skip
    ended = subprocess.run(
        [*words, "-m", "ping"], cwd=tmp_path, env=os.environ | own, timeout=SECONDS * 2,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.startswith("node3 | SUCCESS"), ended.stdout
    assert '"ping": "pong"' in ended.stdout


@contextmanager
def terminal(words: Sequence[str], env: dict[str, str]) -> Iterator[tuple[subprocess.Popen, int]]:
    """Run a command on a terminal of its own; yield it and the terminal's other end."""
    near, far = pty.openpty()
    with subprocess.Popen(
        words, cwd=ROOT, env=env, stdin=far, stdout=far, stderr=far, start_new_session=True
    ) as process:
        os.close(far)
        try:
            yield process, near
        finally:
            process.kill()
            os.close(near)


def read_until(fd: int, pattern: str, already: str = "") -> str:
    """Read a terminal until it has shown the pattern, and return all that it showed."""
    text, deadline = already, Deadline(SECONDS)
    while not re.search(pattern, text):
        ready, _, _ = select.select([fd], [], [], deadline.remaining())
        assert ready, f"no {pattern!r} in {text!r}"
        text += os.read(fd, 4096).decode(errors="replace")
    return text


def test_the_console_is_the_guests_until_it_is_left(built: ClusterUnderTest) -> None:
    with terminal(built.argv("console", "node2"), built.environment) as (process, fd):
        shown = read_until(fd, r"Escape character is \^\]")
        assert "Console of 'node2' on 'server1'. Leave it: Ctrl and ]" in shown
        built.guest(2).root("echo token-of-node2 > /dev/console")
        read_until(fd, "token-of-node2")
        os.write(fd, LEAVE)
        assert process.wait(SECONDS) == 0


def kept(cluster: ClusterUnderTest) -> tuple[list[str], str]:
    """Return what a stop leaves alone: the record, and links of both servers but for the taps."""
    names = [
        line.split(":")[1].split("@")[0].strip()
        for server in ("server1", "server2")
        for line in cluster.on(server, ["ip", "-o", "link"]).splitlines()
    ]
    record = f"/var/lib/farswitch/clusters/{cluster.name}.json"
    return [name for name in names if not re.match("fs[dm]", name)], cluster.on(
        "server1", ["cat", record]
    )


def test_guests_go_off_and_on_and_all_else_stays(cluster: ClusterUnderTest) -> None:
    cluster.guest(2).good("echo kept > kept; echo kept > /shared/kept")
    before = kept(cluster)
    off = cluster.good("stop")
    assert off.changed == 3
    assert "plug" not in off.said
    told = cluster.good("status").document
    assert [guest["state"] for guest in told["guests"]] == ["shut off"] * 3
    assert [server["drift"] for server in told["servers"]] == [[], []]
    assert kept(cluster) == before
    assert cluster.good("start").changed == 3
    assert cluster.guest(2).good("cat kept /shared/kept; rm kept /shared/kept") == "kept\nkept"
