"""The keys of files: one that nobody can read is passed over, unless it was asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any

import pytest

from farswitch.connections.shell import ssh_keygen
from farswitch.connections.shell.host_keys import known_keys
from farswitch.connections.shell.keys import generate
from farswitch.connections.shell.login_keys import _fingerprint, login_keys
from farswitch.connections.shell.protocol import ConnectionLostError
from farswitch.connections.shell.target import Target
from farswitch.errors import ConfigError


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, ...]:
    """A key that its owner alone can read, and one of ours."""
    files = (tmp_path / "id_rsa", tmp_path / "id_ed25519")
    for path in files:
        path.write_text(generate("me").private)
    opened = Path.open

    def refused(path: Path, *arguments: Any, **options: Any) -> IO[Any]:
        if path == files[0]:
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refused)
    return files


def test_a_default_key_that_cannot_be_read_is_passed_over(files):
    target = Target("server1", "server.invalid", identity_files=files, agent="none")
    with login_keys(target) as found:
        assert len(found.keys) == 1


def test_a_key_that_was_asked_for_and_cannot_be_read_is_named(files):
    target = Target("server1", "server.invalid", key_file=files[0], agent="none")
    with pytest.raises(ConnectionLostError, match="id_rsa' cannot be read"), login_keys(target):
        pass


@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "loop"])
def test_a_key_file_that_is_none_is_named_and_not_waited_for(tmp_path, kind):
    path = tmp_path / "key"
    {
        "fifo": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "device": lambda: path.symlink_to("/dev/zero"),
        "loop": lambda: path.symlink_to(path),
    }[kind]()
    target = Target("server1", "server.invalid", key_file=path, agent="none")
    with (
        pytest.raises(ConnectionLostError, match=f"key file '{path}'") as caught,
        login_keys(target),
    ):
        pass
    assert "key_file" in caught.value.hint


def test_a_key_file_without_an_end_is_no_key(tmp_path):
    path = tmp_path / "key"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    target = Target("server1", "server.invalid", key_file=path, agent="none")
    with pytest.raises(ConnectionLostError, match="is no ed25519, ECDSA"), login_keys(target):
        pass


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("exec sleep 9", "does not read '.*id_rsa' within 0.2 s"),
        ("", "has no program 'ssh-keygen'"),
    ],
)
def test_an_ssh_keygen_that_hangs_or_is_not_there_is_named(
    files, tmp_path, monkeypatch, program, words
):
    folder = tmp_path / "bin"
    folder.mkdir()
    if program:
        (folder / "ssh-keygen").write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{program}\n")
        (folder / "ssh-keygen").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(ssh_keygen, "SECONDS", 0.2)
    with pytest.raises(ConfigError, match=words):
        _fingerprint(files[0])
    with pytest.raises(ConfigError, match=words):
        known_keys("server.invalid", 22, files[:1])
