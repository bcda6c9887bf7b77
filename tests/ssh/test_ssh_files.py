from __future__ import annotations

import os
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.local import LocalShell
from farswitch.connections.shell.protocol import CommandError, OutputLimitError

pytestmark = [pytest.mark.ssh, pytest.mark.root]


@pytest.fixture(params=["ssh", "local"])
def files(request) -> Shell:
    return request.getfixturevalue("shell") if request.param == "ssh" else LocalShell("server1")


@pytest.fixture
def path(tmp_path) -> str:
    return str(tmp_path / "a file")


def test_a_file_is_written_with_mode_and_owner(files, path):
    files.write(path, b"secret\n", mode=0o640, owner="root:daemon")
    found = Path(path).stat()
    assert stat.S_IMODE(found.st_mode) == 0o640
    assert (found.st_uid, found.st_gid) == (0, 1)
    assert files.read(path) == b"secret\n"


def test_every_byte_survives(files, path):
    content = bytes(range(256)) * 4096
    files.write(path, content)
    assert files.read(path) == content
    assert files.facts([path])[path].content == content


def test_a_file_is_replaced_and_not_changed_in_place(files, path):
    files.write(path, b"old")
    with Path(path).open("rb") as held:
        files.write(path, b"new")
        assert held.read() == b"old"
    assert files.read(path) == b"new"


def test_a_reader_never_sees_half_a_file(files, path):
    contents = [bytes([letter]) * 200_000 for letter in b"ab"]
    files.write(path, contents[0])
    seen, done = set(), threading.Event()

    def look() -> None:
        while not done.is_set():
            with Path(path).open("rb") as held:
                seen.add(held.read())

    thread = threading.Thread(target=look)
    thread.start()
    for turn in range(10):
        files.write(path, contents[turn % 2])
    done.set()
    thread.join()
    assert seen <= set(contents)


def test_a_write_that_fails_leaves_the_old_file_alone(files, path, tmp_path):
    files.write(path, b"old")
    with pytest.raises(CommandError, match="nobody-there"):
        files.write(path, b"new", owner="nobody-there:root")
    assert files.read(path) == b"old"
    assert list(tmp_path.glob("*.farswitch.*")) == []


def test_what_a_power_cut_left_goes_with_the_next_write_or_removal(files, path, tmp_path):
    for change in (lambda: files.write(path, b"new"), lambda: files.remove(path)):
        ended = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True)
        names = (ended.stdout.strip(), str(os.getpid()), "1")
        half = [Path(f"{path}.farswitch.{pid}") for pid in names]
        for one in half:
            one.touch()
        os.utime(half[2], (0, 0))
        change()
        assert [one.exists() for one in half] == [False, True, False], "one may be written now"
    assert sorted(tmp_path.glob("*.farswitch.*")) == [half[1]]


def test_input_that_was_cut_is_not_taken_for_the_file(files, path, monkeypatch):
    files.write(path, b"old")
    execute = files.execute

    def cut(argv, stdin, timeout):
        return execute(argv, stdin[: len(stdin) // 2], timeout)

    monkeypatch.setattr(files, "execute", cut)
    with pytest.raises(CommandError, match="cut"):
        files.write(path, b"the new content")
    monkeypatch.undo()
    assert files.read(path) == b"old"


def test_a_missing_file_is_none(files, path):
    assert files.read(path) is None
    assert files.facts([path]) == {path: None}
    assert not files.remove(path)


def test_a_file_is_removed_once(files, path):
    files.write(path, b"")
    assert files.remove(path)
    assert not files.remove(path)
    assert not Path(path).exists()


def test_a_dangling_link_is_removed(files, path):
    Path(path).symlink_to("/nonexistent")
    assert files.remove(path)
    assert not Path(path).is_symlink()


def test_a_file_over_the_limit_is_an_error(files, path):
    files.write(path, b"x" * 11)
    assert files.read(path, limit=11) == b"x" * 11
    with pytest.raises(OutputLimitError, match="10 bytes"):
        files.read(path, limit=10)


def test_facts_of_many_files_take_one_command(files, tmp_path, monkeypatch):
    contents = {str(tmp_path / name): bytes(range(size)) for name, size in (("a", 256), ("b", 0))}
    contents[str(tmp_path / "c")] = b"\n\nno end"
    for path, content in contents.items():
        files.write(path, content, mode=0o4750)
    execute, commands = files.execute, []

    def counted(argv, stdin, timeout):
        commands.append(argv)
        return execute(argv, stdin, timeout)

    monkeypatch.setattr(files, "execute", counted)
    wanted = [*contents, str(tmp_path), str(tmp_path / "absent")]
    facts = files.facts(wanted)
    assert len(commands) == 1
    assert {path: facts[path].content for path in contents} == contents
    assert {facts[path].mode for path in contents} == {0o4750}


def test_facts_of_many_files_come_together(files, tmp_path):
    here = [str(tmp_path / name) for name in ("one", "two two", "$three", "-four")]
    for number, path in enumerate(here):
        files.write(path, b"\x00\n" * number, mode=0o600 + number, owner="root:root")
    absent = str(tmp_path / "absent")
    wanted = [here[0], absent, *here[1:], str(tmp_path), "/proc/sys/kernel/ostype"]
    facts = files.facts(wanted)
    assert list(facts) == wanted
    assert facts[absent] is None
    for number, path in enumerate(here):
        assert facts[path].content == b"\x00\n" * number
        assert (facts[path].mode, facts[path].owner) == (0o600 + number, "root:root")
    assert facts[str(tmp_path)].content == b""
    assert facts["/proc/sys/kernel/ostype"].content == b"Linux\n"
    assert files.facts([]) == {}
