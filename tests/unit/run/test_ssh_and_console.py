"""Ways for a person into a guest: the ssh configuration, ssh itself, and the serial console."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from farswitch.connections.libvirt.domains import DomainState
from farswitch.model.cluster import Cluster, cluster
from farswitch.run import become, ssh_config
from farswitch.site.loader import ROOT, load_site
from farswitch.state.record import complete
from workflows import console, ssh

MARK = (
    '<domain><metadata><m:mark xmlns:m="urn:farswitch:1" cluster="{}" guest="{}" />'
    "</metadata></domain>"
)
RUNNING = DomainState("test-node2", "uuid-2", "running", True, MARK.format("test", "node2"),
                      "test", "node2")  # fmt: skip


class BecameError(BaseException):
    """What a process becomes ends it."""


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    programs: list[list[str]] = []

    def execvp(_program: str, argv: list[str]) -> None:
        programs.append(argv)
        raise BecameError

    monkeypatch.setattr(become.os, "execvp", execvp)
    monkeypatch.setattr(become.signal, "signal", lambda *_: None)
    monkeypatch.setattr(become.logging, "shutdown", lambda: None)
    return programs


def typed(command: Callable[..., object], site: Path, *words: str) -> Result:
    try:
        return CliRunner().invoke(command, ["--site", str(site), *words], catch_exceptions=False)
    except BecameError:
        return None


def resolved(configuration: Path, name: str) -> dict[str, str]:
    """Return what ssh itself makes of a name."""
    printed = subprocess.run(
        ["ssh", "-F", configuration, "-G", name], capture_output=True, text=True, check=True
    ).stdout
    return dict(line.split(" ", 1) for line in printed.splitlines() if " " in line)


@pytest.fixture
def saved(built_site: Path) -> Callable[..., tuple[Cluster, Path]]:
    """Save the way into a cluster of that name."""

    def save(name: str = "test", address: str = "198.51.100.1") -> tuple[Cluster, Path]:
        site = load_site(str(built_site))
        settings = site.settings.model_copy(update={"cluster": name})
        (head,) = site.hypervisors
        site = replace(site, settings=settings, hypervisors=(replace(head, hostname=address),))
        wanted = cluster(site)
        return wanted, ssh_config.save(wanted, complete(None, wanted, 4, 1450))

    return save


def test_the_configuration_leads_to_guests_under_both_names(saved):
    _, path = saved()
    for name in ("node2", "test-node2"):
        found = resolved(path, name)
        assert (found["hostname"], found["user"]) == ("10.10.0.12", "mpi")
        assert found["proxyjump"] == "test-server1"
    for name in ("server1", "test-server1"):
        assert resolved(path, name)["hostname"] == "198.51.100.1"


def test_it_can_be_included_and_two_clusters_are_apart_by_their_long_names(saved, tmp_path):
    _, one = saved("one", "198.51.100.11")
    _, two = saved("two", "198.51.100.12")
    own = tmp_path / "config"
    own.write_text(f'Include "{one}"\nInclude "{two}"\nHost *\n    User me\n')
    assert resolved(own, "node1")["proxyjump"] == "one-server1"
    for name, address in (("one", "198.51.100.11"), ("two", "198.51.100.12")):
        found = resolved(own, f"{name}-node1")
        assert (found["proxyjump"], found["user"]) == (f"{name}-server1", "mpi")
        assert f"/clusters/{name}/id_ed25519" in found["identityfile"]
        assert resolved(own, f"{name}-server1")["hostname"] == address
    assert resolved(own, "elsewhere")["user"] == "me"


def test_a_name_by_which_the_user_knows_a_server_stays_the_users(saved, tmp_path):
    _, path = saved(address="server1")
    own = tmp_path / "config"
    own.write_text(f'Include "{path}"\nHost server1\n    HostName 198.51.100.77\n')
    assert resolved(own, "server1")["hostname"] == "198.51.100.77"
    assert resolved(own, "test-server1")["hostname"] == "server1"


def test_it_is_written_where_it_is_missing_or_the_record_has_changed(saved, monkeypatch):
    wanted, path = saved()
    record = complete(None, wanted, 4, 1450)
    ssh_config.save(wanted, record)
    files = ("ssh_config", "id_ed25519", "known_hosts", "ansible.yaml", "hosts.yaml", "groups.yaml")
    before = {name: (path.parent / name).stat() for name in files}
    assert all(stat.st_mode & 0o777 == 0o600 for stat in before.values())
    ssh_config.save(wanted, record)
    assert {name: (path.parent / name).stat().st_ino for name in files} == {
        name: stat.st_ino for name, stat in before.items()
    }, "nothing is written twice"
    (path.parent / "known_hosts").unlink()
    ssh_config.save(wanted, complete(None, wanted, 4, 1450))
    assert sorted(one.name for one in path.parent.iterdir()) == sorted(files)
    changed = {name for name in files
               if (path.parent / name).stat().st_ino != before[name].st_ino}  # fmt: skip
    assert {"id_ed25519", "known_hosts"} <= changed


def test_ssh_gets_the_clusters_configuration_and_the_command_as_typed(built_site, became):
    typed(ssh.command, built_site, "node2")
    typed(ssh.command, built_site, "--as", "root", "node2", "--", "ls", "-l", "a b")
    path = ssh_config.configuration_of("test")
    assert path.is_file()
    assert became == [
        ["ssh", "-F", str(path), "--", "node2"],
        ["ssh", "-F", str(path), "-l", "root", "--", "node2", "ls", "-l", "a b"],
    ]


@pytest.mark.log_tells("has no guest 'node9'")
def test_a_guest_that_there_is_not_is_refused(built_site, became):
    ended = typed(ssh.command, built_site, "node9")
    assert ended.exit_code == 2
    assert "Cluster 'test' has no guest 'node9'; it has node[1-4]." in ended.stderr
    assert became == []


@pytest.fixture
def hypervisor(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the console's command is told by its server, and a terminal to run in."""
    state = SimpleNamespace(domain=RUNNING, virsh=0)
    terminal = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr(console, "sys", SimpleNamespace(stdin=terminal, stdout=terminal))
    login = SimpleNamespace(run=lambda *_, **__: SimpleNamespace(status=state.virsh))
    monkeypatch.setattr(console, "shell", lambda _host: login)
    libvirtd = SimpleNamespace(
        domain=lambda name: state.domain and replace(state.domain, name=name)
    )
    monkeypatch.setattr(console, "libvirt", lambda _host: libvirtd)
    return state


def test_the_console_is_that_of_the_domain_that_bears_the_mark(built_site, became, hypervisor):
    typed(console.command, built_site, "node2")
    path = ssh_config.configuration_of("test")
    virsh = "env virsh -c qemu:///system console uuid-2"
    assert became == [["ssh", "-F", str(path), "-t", "-e", "none", "--", "test-server1", virsh]]


@pytest.mark.parametrize(
    ("changes", "euid", "words"),
    [
        ({"user": "root"}, 0, "env virsh"), ({"user": "me"}, 0, "sudo -k -n -- env virsh"),
        ({"local": True}, 0, "env virsh"), ({"local": True}, 1000, "sudo -k -n -- env virsh"),
    ],
)  # fmt: skip
def test_virsh_is_run_as_root(built_site, monkeypatch, changes, euid, words):
    monkeypatch.setattr(console.os, "geteuid", lambda: euid)
    site = load_site(str(built_site))
    (head,) = site.hypervisors
    wanted = cluster(replace(site, hypervisors=(replace(head, **changes),)))
    argv = console.console_command(wanted, wanted.guests[0], "uuid", Path("/x"))
    local = "local" in changes
    line = shlex.join(argv) if local else argv[-1]
    assert line == f"{words} -c qemu:///system console uuid"
    assert (argv[0] == "ssh") != local


FOREIGN = replace(RUNNING, xml="<domain />")
OTHERS = replace(RUNNING, xml=MARK.format("other", "node2"))


WITHOUT = {
    "missing": (None, 0, "Guest 'node2' is missing: it has no console."),
    "off": (replace(RUNNING, state="shut off"), 0, "Guest 'node2' is shut off: it has no console"),
    "foreign": (FOREIGN, 0, "Domain 'test-node2' on server 'server1' exists without our mark."),
    "others": (OTHERS, 0, "Domain 'test-node2' on server 'server1' exists without our mark."),
    "no-virsh": (RUNNING, 1, "'server1' has no program 'virsh'."),
}


@pytest.mark.parametrize(
    "found",
    [pytest.param(one, marks=pytest.mark.log_tells(one[2])) for one in WITHOUT.values()],
    ids=WITHOUT,
)
def test_a_guest_without_a_console_of_ours_is_named(built_site, became, hypervisor, found):
    hypervisor.domain, hypervisor.virsh, sentence = found
    ended = typed(console.command, built_site, "node2")
    assert ended.exit_code == 1
    assert sentence in ended.stderr
    assert became == []


@pytest.mark.log_tells("The console needs a terminal")
def test_without_a_terminal_there_is_no_console(built_site, became):
    ended = typed(console.command, built_site, "node2")
    assert ended.exit_code == 2
    assert "The console needs a terminal" in ended.stderr
    assert became == []


def ended_as(line: str, program: str = "sh") -> subprocess.CompletedProcess[str]:
    text = (
        f"from farswitch.run.become import become; become([{program!r}, '-c', {line!r}], hint='')"
    )
    return subprocess.run(
        [sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_a_program_ends_as_it_would_have_from_a_shell():
    assert ended_as("exit 3").returncode == 3
    assert ended_as("kill -PIPE $$").returncode == -13, "Python ignores it, the program does not"


def test_a_program_that_there_is_not_is_named():
    assert "Program '/none/ssh' cannot be started here" in ended_as("", "/none/ssh").stderr
