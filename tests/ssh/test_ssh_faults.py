"""A login that is cut, hangs or is refused: the error names host and cause, the effect is whole."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from farswitch.connections.netlink.plugin import RelayEndpoint
from farswitch.connections.shell.protocol import CommandTimeoutError, ConnectionLostError, Process
from farswitch.connections.shell.ssh import SshShell
from farswitch.deadline import Deadline, wait_until
from farswitch.state.journal import load, store
from farswitch.state.keys import SettingKey
from farswitch.state.saved_settings import Claim, Journal
from tests.ssh.conftest import Sshd
from tests.ssh.proxy import Proxy

pytestmark = [pytest.mark.ssh, pytest.mark.root]

WELL_BEFORE = 20.0
"""Seconds in which a slow machine, too, ends what would else last for minutes, or for ever."""
BIG = b"new" * 1_000_000
CLAIM = Claim(("0",), ("1",), frozenset({"lab"}))


@pytest.fixture
def proxy(sshd: Sshd) -> Iterator[Proxy]:
    with Proxy(sshd.port) as proxy:
        yield proxy


def through(sshd: Sshd, proxy: Proxy) -> SshShell:
    known = sshd.folder / "known"
    known.write_text(f"[127.0.0.1]:{proxy.port} {sshd.host.public}\n")
    return SshShell(sshd.target(port=proxy.port))


def direct(sshd: Sshd) -> Path:
    known = sshd.folder / "direct"
    known.write_text(f"[127.0.0.1]:{sshd.port} {sshd.host.public}\n")
    return known


@pytest.fixture
def wired(sshd: Sshd, proxy: Proxy) -> Iterator[SshShell]:
    shell = through(sshd, proxy)
    shell.run(["true"])
    yield shell
    shell.close()


def test_a_command_whose_connection_is_reset_is_told_at_once_and_not_repeated(
    wired: SshShell, proxy: Proxy, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"

    def cut_it() -> None:
        wait_until(trace.exists, Deadline(60), what="The command's start")
        proxy.cut()

    cut = threading.Thread(target=cut_it)
    cut.start()
    started = time.monotonic()
    with pytest.raises(ConnectionLostError, match="No connection to 'server1': "):
        wired.run(["sh", "-c", f"echo run >> {trace}; sleep 60"])
    cut.join()
    assert time.monotonic() - started < WELL_BEFORE
    assert wired.run(["cat", str(trace)]).stdout == "run\n"


@pytest.mark.usefixtures("never_slow")
def test_a_command_whose_connection_hangs_ends_at_its_deadline(
    wired: SshShell, proxy: Proxy
) -> None:
    proxy.hang()
    started = time.monotonic()
    with pytest.raises(CommandTimeoutError, match="'true' on 'server1' did not end within 1 s"):
        wired.run(["true"], timeout=1)
    assert time.monotonic() - started < WELL_BEFORE


@pytest.mark.parametrize("way", ["cut", "hang"])
def test_a_file_whose_writing_breaks_off_is_the_old_one(
    wired: SshShell, proxy: Proxy, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "folder" / "file"
    wired.write(str(path), b"old")
    monkeypatch.setattr("farswitch.connections.shell.base.FILE_SECONDS", 2.0)
    proxy.after(1_000_000, getattr(proxy, way))
    with pytest.raises((ConnectionLostError, CommandTimeoutError), match="'server1'"):
        wired.write(str(path), BIG)

    def tidy() -> bool:
        return [one.name for one in path.parent.iterdir()] == ["file"]

    wait_until(tidy, Deadline(60), what="The end of what was half-written")
    assert path.read_bytes() == b"old"


def test_a_journal_whose_writing_breaks_off_is_the_old_one(
    wired: SshShell, proxy: Proxy, tmp_path: Path
) -> None:
    folder = str(tmp_path / "state")
    have = store(wired, Journal({SettingKey("a"): CLAIM}), folder=folder)
    more = {SettingKey(f"net.{number}"): CLAIM for number in range(20_000)}
    proxy.after(1_000_000, proxy.cut)
    with pytest.raises(ConnectionLostError, match="'server1'"):
        store(wired, Journal(more, have.digest), folder=folder)
    found = Path(folder)

    def tidy() -> bool:
        return [one.name for one in found.iterdir()] == ["journal.json"]

    wait_until(tidy, Deadline(60), what="The end of what was half-written")
    assert load(wired, folder=folder) == have
    assert len(store(wired, Journal(more, have.digest), folder=folder).claims) == 20_000


def test_a_file_whose_answer_never_came_is_written_once_by_the_next_try(
    wired: SshShell, sshd: Sshd, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    proxy.mute()
    with monkeypatch.context() as patch:
        patch.setattr("farswitch.connections.shell.base.FILE_SECONDS", 1.0)
        with pytest.raises(CommandTimeoutError, match="'server1'"):
            wired.write(str(path), b"whole")
    again = SshShell(sshd.target(known_hosts=(direct(sshd),)))
    assert again.read(str(path)) in {None, b"whole"}
    again.write(str(path), b"whole")
    again.close()
    assert path.read_bytes() == b"whole"
    assert list(tmp_path.glob("file*")) == [path]


class Inside:
    """The shell, with each process it starts in a namespace."""

    def __init__(self, shell: SshShell, name: str) -> None:
        self.shell, self.name = shell, name

    def start(self, argv: Sequence[str]) -> Process:
        return self.shell.start(["ip", "netns", "exec", self.name, *argv])


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"fsfault{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield name
    subprocess.run(["ip", "netns", "del", name], check=True)


def bridges(namespace: str) -> list[str]:
    shown = subprocess.run(
        ["ip", "-n", namespace, "-j", "link", "show", "type", "bridge"],
        capture_output=True,
        check=True,
    )
    return [one["ifname"] for one in json.loads(shown.stdout) if one]


@pytest.mark.parametrize("way", ["cut", "hang", "mute"])
def test_a_netlink_request_without_an_answer_is_looked_at_and_done_once(
    wired: SshShell, proxy: Proxy, sshd: Sshd, namespace: str, way: str
) -> None:
    endpoint = RelayEndpoint("server1", Inside(wired, namespace), seconds=1.0)

    def add() -> None:
        with endpoint.session() as ipr:
            assert ipr.link_lookup(ifname="lo") == [1]
            getattr(proxy, way)()
            ipr.link("add", ifname="br0", kind="bridge")

    started = time.monotonic()
    with pytest.raises(ConnectionLostError, match=r"No connection to 'server1': .*netlink"):
        add()
    assert time.monotonic() - started < WELL_BEFORE
    if way == "mute":
        assert bridges(namespace) == ["br0"], "the effect is there, though no answer came"
    shell = SshShell(sshd.target(known_hosts=(direct(sshd),)))
    with RelayEndpoint("server1", Inside(shell, namespace)).session() as ipr:
        if not ipr.link_lookup(ifname="br0"):
            ipr.link("add", ifname="br0", kind="bridge")
    shell.close()
    assert bridges(namespace) == ["br0"]


def test_logins_that_sshd_refuses_for_a_while_are_asked_for_again(sshd: Sshd) -> None:
    with Proxy(sshd.port, refuse=3) as proxy:
        shell = through(sshd, proxy)
        assert shell.run(["true"]).status == 0
        assert proxy.refused == 3
        shell.close()


def test_a_server_that_never_relents_is_an_error_that_says_so(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farswitch.connections.shell.login.REFUSED_SECONDS", 1.0)
    with Proxy(sshd.port, refuse=1000) as proxy:
        shell = through(sshd, proxy)
        started = time.monotonic()
        with pytest.raises(ConnectionLostError, match=r"'server1': .*hung up") as caught:
            shell.open()
        assert 1 <= time.monotonic() - started < WELL_BEFORE
        assert "MaxStartups" in caught.value.hint
        shell.close()


def test_more_logins_at_once_than_sshd_accepts_come_through_in_the_end(make_sshd) -> None:
    sshd = make_sshd("busy", more="MaxStartups 2:100:2")
    shells = [SshShell(sshd.target()) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        assert [done.status for done in pool.map(lambda one: one.run(["true"]), shells)] == [0] * 6
    for shell in shells:
        shell.close()
    assert "MaxStartups" in sshd.log
