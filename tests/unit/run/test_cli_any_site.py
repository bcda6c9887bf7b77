"""Hundreds of sites as nobody would write them, through the command itself: 2 and a sentence.

A site that happens to be right goes as far as the lab or the first login, which is not there.
"""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farswitch.connections import access
from farswitch.errors import FarswitchError
from farswitch.site.loader import ROOT
from tests.unit.site.test_inventory_any_input import FILES, spoiled
from workflows import build
from workflows.build import command

pytestmark = pytest.mark.log_tells("^ERROR ")
CASES = 200
GOOD = {name: json.dumps(data).encode() for name, data in FILES.items()}
LAUGHS = "\n".join(
    ["a: &a [x, x, x, x, x, x, x, x, x]"]
    + [
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    ]
)
NASTY = (
    b"",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbfdata: {}",
    b"[" * 20_000,
    b"{a: " * 5_000,
    b"- " * 20_000,
    LAUGHS.encode(),
    b"&a [*a]",
    b"data: &a {cluster: *a}",
    b"!!python/object/apply:os.system [reboot]",
    b"!!binary x",
    b"data:\n\tcluster: x",
    b"data: {cluster: x, cluster: y}",
    b"%YAML 9.9\n---\n",
    b"---\n---\n",
    b'data: {cluster: "\x1b[2J\x07", vni_base: 1e400}',
    b"data: {mtu: " + b"9" * 5_000 + b"}",
    b"'node[1-99999999999999999999]': {groups: [guest]}",
    b"'node[1-3': {groups: [guest]}",
    b"'$(reboot)`reboot`;reboot': {groups: [guest]}",
    b"%YAML 1.1\n---\ndata: {cluster: no}",
    b"%TAG ! tag:yaml.org,2002:\n---\ndata: !python/object:os.system {}",
    b"data: {<<: {cluster: x}}",
    b"data: {? [a, b] : c, ? {a: b} : c}",
    b"data: {~: x, true: y, 1: z}",
    b"data: {memory: 0b11, vcpus: 1__0, disk: +-1, uid: 0x, mtu: 08}",
    b"data: {memory: 2001-99-99, vcpus: 12:99:99}",
    b"\xfe\xff\0d\0a\0t\0a\0:",
    b"\xed\xa0\x80: x",
    "\ufeff\ufeffdata: {}".encode(),
    "data:\u2028  cluster: x\u2029  vni_base: 0\x85".encode(),
    b"data:\r  cluster: x\r\n  vni_base: 0\n\r",
    b"data: |\n  x\n \ty",
    b"data: >-2\n x",
    b"data: 'x\n\n\ny: \"z\n",
    b"data: {a: [b, {c: d]}}",
    b"<<<<<<< HEAD\ndata: {}\n=======\n>>>>>>> x\n",
    b"data:\n{% if x %}\n  cluster: {{ x }}\n",
    b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=\n",
    b"\x7fELF\2\1\1",
    b"data: {cluster: 2001-01-01, user: 0o17, uid: 1_000, memory: 1:30}",
)


@st.composite
def cut(draw: st.DrawFn) -> dict[str, bytes]:
    """Return good files, in one of which some bytes are replaced by others."""
    name = draw(st.sampled_from(sorted(GOOD)))
    text = GOOD[name]
    start = draw(st.integers(0, len(text)))
    end = min(len(text), start + draw(st.integers(0, 12)))
    return GOOD | {name: text[:start] + draw(st.binary(max_size=6)) + text[end:]}


@st.composite
def nasty(draw: st.DrawFn) -> dict[str, bytes]:
    name = draw(st.sampled_from(sorted(GOOD)))
    return GOOD | {name: draw(st.one_of(st.sampled_from(NASTY), st.binary(max_size=60)))}


SITES = st.one_of(
    spoiled().map(lambda files: {name: text.encode() for name, text in files.items()}),
    cut(),
    nasty(),
)


class ReachedError(FarswitchError):
    """The site is right, and the run would go on to its servers."""


def reached(*_: object, **__: object) -> NoReturn:
    raise ReachedError("The servers were asked for.")


def forbidden(*_: object, **__: object) -> NoReturn:
    raise AssertionError("a process or a connection was started")


@contextmanager
def nothing_else() -> Iterator[None]:
    """Let the command read the site, and nothing more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "ensure_lab", reached)
        patch.setattr(access, "opened", reached)
        patch.setattr(subprocess, "Popen", forbidden)
        patch.setattr(socket.socket, "connect", forbidden)
        patch.setenv("FARSWITCH_CONFIG", str(ROOT / "config.yaml"))
        yield


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "build.log"
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, RotatingFileHandler)]:
        root.removeHandler(handler)
        handler.close()


def run(files: dict[str, bytes], log: Path) -> tuple[int, str]:
    """Run a build of a site of these files; return its exit code and what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        with nothing_else():
            done = CliRunner().invoke(command, ["--site", folder, "--log", str(log)])
        assert {path.name: path.read_bytes() for path in Path(folder).iterdir()} == files
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.stdout == ""
    return done.exit_code, done.stderr.replace(folder, "SITE")


def assert_explained(code: int, printed: str) -> None:
    assert printed.startswith("Error: ")
    assert "Traceback" not in printed
    assert "fault of farswitch" not in printed
    assert all(line.isprintable() for line in printed.splitlines())
    if "The servers were asked for." in printed:
        assert code == 1
        return
    assert code == 2
    assert printed.startswith("Error: SITE/")
    assert printed.rstrip().endswith(".")


@settings(
    max_examples=CASES,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(files=SITES)
def test_any_site_ends_with_2_and_sentences_and_touches_nothing(files, log):
    assert_explained(*run(files, log))


def test_a_right_site_goes_on_to_its_servers(log):
    """The control of the other tests here."""
    assert run(GOOD, log) == (1, "Error: The servers were asked for.\n")


@pytest.mark.parametrize("content", NASTY, ids=range(len(NASTY)))
@pytest.mark.parametrize("name", sorted(GOOD))
def test_nasty_files_are_reported_in_sentences(name, content, log):
    assert_explained(*run(GOOD | {name: content}, log))
