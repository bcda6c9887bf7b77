"""The lock's rules, by its own agent on this machine; and what other runs are told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from farswitch.connections.fence import Fence
from farswitch.connections.shell.local import LocalShell
from farswitch.deadline import Deadline, wait_until
from farswitch.errors import ConfigError, FarswitchError
from farswitch.lock import locks
from farswitch.lock.agent import AGENT, held_by
from farswitch.lock.lease import BEATS, SILENCE, Lease, LockLostError
from farswitch.lock.locks import LockHeldError, Locks, clashes, shared_settings
from farswitch.lock.messages import LockHolder, LockReply
from farswitch.lock.reserved import Reserved

PAIRS = 50
INTERVAL, COUNT = 5, 5
"""Of libvirtd.conf, as it comes: `keepalive_interval` and `keepalive_count`."""
OURS = Reserved(vnis=(41, 43), networks=("10.0.0.0/24", "10.10.0.0/24"))
HOLDER = """\
import os, signal, sys
from farswitch.lock.lease import Lease
from farswitch.lock.messages import this_run
from farswitch.connections.shell.local import LocalShell
run = this_run("c", "build")
lease = Lease(LocalShell("here"), run, folder=sys.argv[1], silence=float(sys.argv[2]))
print("held", flush=True)
signal.pause()
"""


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "run/locks")


@pytest.fixture
def here() -> LocalShell:
    return LocalShell("here")


@pytest.fixture
def holder(folder: str) -> Iterator[subprocess.Popen[str]]:
    """Another run, which holds the lock of cluster 'c' with two seconds of patience."""
    argv = [sys.executable, "-c", HOLDER, folder, "2"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def take(folder: str, pid: int, *, silence: float = 30.0, name: str = "c") -> Lease:
    reserved = Reserved(vnis=(1, 2), networks=())
    run = LockHolder(
        cluster=name, workflow="build", user="me", host="desk", pid=str(pid), reserved=reserved
    )
    return Lease(LocalShell("here"), run, folder=folder, silence=silence)


def test_of_two_that_begin_at_once_exactly_one_wins_and_the_other_names_it(folder: str):
    for _ in range(PAIRS):
        began = time.monotonic()
        with ThreadPoolExecutor(2) as pool:
            pair = list(pool.map(lambda pid: take(folder, pid), (1, 2)))
        (winner,) = (lease for lease in pair if lease.held)
        (loser,) = (lease for lease in pair if not lease.held)
        assert loser.reply.busy is not None
        assert winner.reply.held is not None
        assert loser.reply.busy.pid == winner.reply.held.pid
        assert {"user", "host", "since"} <= loser.reply.busy.model_fields_set
        assert time.monotonic() - began < 20
        winner.release()


def test_nothing_is_left_of_a_lock_that_was_let_go(folder: str):
    take(folder, 1).release()
    assert not Path(folder).exists()


def test_the_lock_of_a_dead_run_is_taken_over_at_once(folder: str, holder: subprocess.Popen[str]):
    assert take(folder, 1).reply.busy is not None
    holder.kill()
    holder.wait()
    lease = wait_until(
        lambda: one if (one := take(folder, 1)).held else None, Deadline(20), what="The takeover"
    )
    lease.release()


def test_a_stopped_run_loses_its_lock_and_a_living_one_does_not(
    folder: str, here: LocalShell, holder: subprocess.Popen[str]
):
    mine = take(folder, 1, silence=2, name="other")
    os.kill(holder.pid, signal.SIGSTOP)
    began = time.monotonic()
    lease = wait_until(
        lambda: one if (one := take(folder, 1)).held else None, Deadline(60), what="The takeover"
    )
    assert time.monotonic() - began > 1
    mine.check()
    names = {run.cluster for run in held_by(here, folder=folder)}
    assert names == {"c", "other"}
    lease.release()
    mine.release()


def test_a_run_whose_lock_fell_is_told_and_its_fence_stays_shut(folder: str):
    lease, fence = take(folder, 1), Fence()
    fence.add(lease.check)
    fence.check()
    lease._process.close()
    lease._reader.join(60)
    with pytest.raises(LockLostError, match="Nothing more was changed"):
        fence.check()
    fence.open()
    with pytest.raises(LockLostError):
        fence.check()
    with pytest.raises(LockLostError):
        LocalShell("here", fence=fence).run(["touch", folder])
    assert not Path(folder).exists()


def test_a_run_that_confirmed_nothing_for_long_asks_before_it_goes_on(folder: str):
    lease = take(folder, 1)
    lease._confirmed -= 25
    lease.check()
    assert lease._fresh()
    lease.release()


def test_a_run_that_ends_after_long_silence_knows_that_its_lock_may_be_anothers(folder: str):
    lease = take(folder, 1)
    assert lease.doubt() is None
    lease._process.close()
    lease._confirmed -= SILENCE
    doubt = wait_until(lease.doubt, Deadline(60), what="The doubt")
    assert isinstance(doubt, LockLostError)
    assert doubt.server == "here"
    lease.release()


def test_a_server_lets_go_later_than_its_libvirt_hangs_up():
    clocks = 1  # libvirtd counts whole seconds
    hangs_up = INTERVAL * (COUNT + 1) + clocks
    assert hangs_up < SILENCE - SILENCE / BEATS


def test_asking_keeps_nobody_from_taking(folder: str, here: LocalShell):
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(lambda: [held_by(here, folder=folder) for _ in range(20)])
        while not asking.done():
            lease = take(folder, 1)
            assert lease.held
            lease.release()
        asking.result()


def test_what_is_left_in_the_file_of_a_dead_run_is_nobodys_lock(folder: str, here: LocalShell):
    Path(folder).mkdir(parents=True)
    Path(folder, "c.lock").write_text('{"cluster": "c", "pid": 4711}')  # its agent was killed too
    assert held_by(here, folder=folder) == ()
    lease = take(folder, 1)
    assert lease.held
    lease.release()
    assert not Path(folder).exists()


def test_a_run_that_is_killed_or_stopped_leaves_no_lock(folder: str, holder: subprocess.Popen[str]):
    assert Path(folder, "c.lock").exists()
    holder.send_signal(signal.SIGSTOP)
    wait_until(lambda: not Path(folder).exists(), Deadline(60), what="The end of its lock")
    holder.send_signal(signal.SIGCONT)
    other = take(folder, 1)
    other.abandon()
    wait_until(lambda: not Path(folder).exists(), Deadline(60), what="The end of the other")


def test_the_second_of_two_clusters_sees_what_the_first_lays_claim_to(folder: str):
    first, second = take(folder, 1, name="a"), take(folder, 2, name="b")
    assert first.reply.others == ()
    (other,) = second.reply.others
    assert (other.cluster, other.reserved) == ("a", Reserved(vnis=(1, 2), networks=()))
    first.release()
    second.release()


@pytest.mark.parametrize(
    ("theirs", "found"),
    [
        pytest.param({"vnis": [44, 50], "networks": ["10.1.0.0/24"]}, [], id="apart"),
        pytest.param({"vnis": [43, 50], "networks": []}, ["VNIs 43 to 50"], id="a-vni"),
        pytest.param({"vnis": [1, 100], "networks": []}, ["VNIs 1 to 100"], id="around"),
        pytest.param(
            {"vnis": [7, 8], "networks": ["10.10.0.128/25"]}, ["10.10.0.128/25"], id="net"
        ),
        pytest.param({}, [], id="a-teardown-has-no-claims"),
    ],
)
def test_clusters_that_cannot_live_together_are_refused(theirs, found):
    other = LockHolder.model_validate({"cluster": "other", "claims": theirs})
    sentences = list(clashes(OURS, [other], "server1"))
    assert len(sentences) == len(found)
    for sentence, what in zip(sentences, found, strict=True):
        assert what in sentence
        assert "'other'" in sentence


def test_a_teardown_clashes_with_nobody():
    assert list(clashes(None, [LockHolder(cluster="other", reserved=OURS)], "server1")) == []


def test_what_a_server_says_of_a_holder_is_cut_and_has_no_controls():
    said = str(LockHolder(user="\x1b[2Jme", host="h" * 500, pid=7, since="now"))
    assert said.startswith("? of [2Jme@hhh")
    assert len(said) < 150


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, folder: str) -> str:
    """Locks in a folder of the test's own, also where nobody is asked for one."""
    monkeypatch.setattr(locks, "FOLDER", folder)
    monkeypatch.setitem(Lease.__init__.__kwdefaults__, "folder", folder)
    monkeypatch.setitem(held_by.__kwdefaults__, "folder", folder)
    return folder


def test_the_second_run_is_told_who_when_and_that_nothing_was_touched(
    elsewhere: str, here: LocalShell
):
    first = take(elsewhere, 4711)
    with pytest.raises(LockHeldError) as caught:
        Locks(Fence(), LockHolder(cluster="c")).take(here)
    sentence = str(caught.value)
    for word in ("build of me@desk", "pid 4711", " since 20", "Nothing was touched"):
        assert word in sentence
    first.release()


def test_a_cluster_in_the_way_of_one_that_is_being_built_is_refused_as_a_mistake(
    elsewhere: str, here: LocalShell
):
    first, fence = take(elsewhere, 1, name="a"), Fence()
    reserved = OURS.model_copy(update={"vnis": (2, 3)})
    mine = Locks(fence, LockHolder(cluster="b", reserved=reserved))
    with pytest.raises(ConfigError, match="VNIs 1 to 2"):
        mine.take(here)
    mine.abandon(FarswitchError("ended"))
    with pytest.raises(FarswitchError, match="ended"):
        fence.check()
    first.release()


def test_shared_settings_are_changed_by_one_run_at_a_time(
    elsewhere: str, here: LocalShell, tmp_path: Path
):
    counted = tmp_path / "count"
    counted.write_text("0")

    def count(_: int) -> None:
        with shared_settings(here):
            before = int(here.run(["cat", str(counted)]).stdout)
            here.run(["tee", str(counted)], stdin=str(before + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(12)))
    assert counted.read_text() == "12"
    assert not Path(elsewhere).exists()


def test_a_dry_run_waits_for_nobody(elsewhere: str, here: LocalShell):
    with shared_settings(here), shared_settings(here, dry_run=True) as holders:
        assert holders == ()


SSHD = """\
import pathlib, subprocess, sys
pathlib.Path("/proc/self/comm").write_text("sshd")
child = subprocess.Popen([sys.executable, "-c", *sys.argv[1:]], stdout=subprocess.PIPE)
print(child.stdout.readline().decode().strip(), child.pid, flush=True)
sys.stdin.read()
child.kill()
print("alive")
"""


def test_a_run_on_this_very_machine_does_not_end_the_login_above_it(folder: str):
    argv = [sys.executable, "-c", SSHD, HOLDER, folder, "1"]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as login:
        assert login.stdout
        told, pid = login.stdout.readline().split()
        assert told == "held"
        os.kill(int(pid), signal.SIGSTOP)
        wait_until(lambda: not Path(folder).exists(), Deadline(60), what="The end of the lock")
        said, _ = login.communicate()
    assert said == "alive\n"


def test_nobody_but_root_may_open_a_lock(folder: str):
    lease = take(folder, 1)
    (path,) = Path(folder).iterdir()
    assert (path.stat().st_mode | path.parent.stat().st_mode) & 0o077 == 0
    lease.release()


@pytest.mark.parametrize("action", [("hold", "c", "30", "no", "{}"), ("shared", "60")])
def test_who_waits_for_a_run_that_is_gone_leaves_nothing(folder: str, action: tuple[str, ...]):
    pipe = subprocess.PIPE
    first = [*AGENT, "shared", folder, "0"]
    with subprocess.Popen(first, stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout
        assert b"held" in holder.stdout.readline()
        name, *rest = action
        with subprocess.Popen([*AGENT, name, folder, *rest], stdin=pipe, stdout=pipe) as waiting:
            if name == "hold":
                path = Path(folder) / "c.lock"
                wait_until(path.exists, Deadline(60), what="The cluster's lock")
            waiting.communicate()
        assert [path.name for path in Path(folder).iterdir()] == ["shared"]
        holder.communicate()
    assert not Path(folder).exists()


def test_a_file_in_the_place_of_the_folder_is_told(folder: str):
    Path(folder).parent.mkdir()
    Path(folder).write_text("of somebody else")
    with pytest.raises(FarswitchError, match="FileExistsError"):
        take(folder, 1)
    assert Path(folder).read_text() == "of somebody else"


@pytest.mark.parametrize(
    ("document", "reserved"),
    [
        pytest.param('"claims": {}', None, id="a-teardown"),
        pytest.param(
            '"claims": {"vnis": [1, 2], "networks": ["10.0.0.0/24"]}',
            Reserved(vnis=(1, 2), networks=("10.0.0.0/24",)),
            id="a-build",
        ),
    ],
)
def test_a_run_of_the_release_before_is_understood(document: str, reserved: Reserved | None):
    run = '"cluster": "a", "workflow": "build", "user": "me", "host": "desk", "pid": 4711'
    line = f'{{"others": [{{{run}, "since": "2031-01-01 00:00:00 UTC", {document}}}]}}'
    (other,) = LockReply.model_validate_json(line).others
    assert str(other) == "build of me@desk (pid 4711) since 2031-01-01 00:00:00 UTC"
    assert other.reserved == reserved


def test_a_build_is_shown_to_the_release_before_as_that_reads_it():
    run = LockHolder(cluster="a", workflow="build", pid="7", reserved=OURS)
    assert json.loads(run.model_dump_json(by_alias=True, exclude_defaults=True)) == {
        "cluster": "a",
        "workflow": "build",
        "pid": "7",
        "claims": {"vnis": [41, 43], "networks": ["10.0.0.0/24", "10.10.0.0/24"]},
    }
