"""What only a server can show to be wrong ends a run too, before anything on a server is changed.

The fakes stand at the transport's border: they answer what is read, and fail at anything else.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Interface
from logging.handlers import RotatingFileHandler
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NoReturn

import click
import pytest
from click.testing import CliRunner

from farswitch.connections import access
from farswitch.connections.netlink.links import Link
from farswitch.connections.netlink.routes import Route
from farswitch.connections.shell import forwarding
from farswitch.connections.shell.base import FACTS, READ, Shell
from farswitch.connections.shell.begin import MARK
from farswitch.connections.shell.protocol import Raw, UnreachableError
from farswitch.remote import source
from farswitch.site.loader import ROOT
from farswitch.state.record import FOLDER
from tasks import preflight
from workflows import build
from workflows import preflight as preflight_workflow

HOSTS = """\
server1: {hostname: 198.51.100.1, groups: [hypervisor], username: me}
server2: {hostname: 198.51.100.2, groups: [switch], username: me}
node[1-3]: {groups: [guest]}
"""
PROBE = b"uid 0\npython 3.11\nmemory 8000\ndisk 90000\n"
NO_RULES = (
    b'{"rules": [], "tables": [], "chains": [], "text": "", "saved": {}, "filters": [],'
    b' "links": [], "tcx": [], "steady": true}'
)
NO_LOCK = b'{"held": {}, "others": []}\n'
TAKEN = (("office", "10.10.0"), ("lan", "10.0.0"))
NO_EMULATOR = "unsupported configuration: unable to find any emulator"
NEWER = "has version 4; this release"
USE_NEWER = "Use the newer release that wrote it."
UNDERLAY = Link(2, "eth0", addresses=(IPv4Interface("198.51.100.1/24"),))
SWITCH_UNDERLAY = Link(2, "eth0", addresses=(IPv4Interface("198.51.100.2/24"),))


class LockAgent:
    """Grants the lock and echoes signs of life; or says in its stead why it cannot begin."""

    def __init__(self, refusal: str) -> None:
        self.refusal = refusal
        self.answers: SimpleQueue[bytes] = SimpleQueue()
        self.answers.put(b"" if refusal else MARK + NO_LOCK)

    def read(self, _limit: int) -> bytes:
        return self.answers.get()

    def write(self, data: bytes) -> None:
        self.answers.put(b"" if data == b"q" else data)

    def stderr_tail(self) -> str:
        return self.refusal

    def close(self) -> None:
        self.answers.put(b"")


class Server(Shell):
    """Answers the questions of a lock, a preflight and the record; anything else is a touch."""

    def __init__(self, host: str, answer: Raw | None, records: Mapping[str, bytes]) -> None:
        super().__init__(host, user="admin", sudo=True)
        self.answer = answer
        self.records = {f"{FOLDER}/{name}.json": content for name, content in records.items()}

    def launch(self, argv: Sequence[str]) -> LockAgent:
        assert argv[argv.index("-IS") + 3 :][:3] == ["hold", "/run/farswitch", "test"]
        return LockAgent(self.answer.stderr.decode() if self.answer else "")

    def execute(self, argv: Sequence[str], stdin: bytes, timeout: float) -> Raw:
        assert argv[:4] == ["sudo", "-k", "-n", "--"]
        if self.answer is not None:
            return self.answer
        if "preflight" in argv or "storage" in argv:
            return Raw(0, MARK + (PROBE if "preflight" in argv else b"missing 1\n"), MARK)
        if "list" in argv or source("firewall_rules") in argv:
            return Raw(0, MARK + (NO_LOCK if "list" in argv else NO_RULES), MARK)
        if "find" in argv:
            return Raw(0, MARK + "\n".join(self.records).encode(), MARK)
        if FACTS in argv:
            return Raw(0, MARK + self._facts(), MARK)
        assert READ in argv, argv
        content = self.records.get("/var/lib/farswitch/clusters/test.json")
        return Raw(66, MARK, MARK) if content is None else Raw(0, MARK + content, MARK)

    def channel(self, address: str, port: int, *, timeout: float) -> NoReturn:
        assert (port, timeout) == (22, forwarding.SECONDS)
        raise UnreachableError(self.host, address, port, TimeoutError())

    def again(self) -> NoReturn:
        raise AssertionError(self.host)

    def close(self) -> NoReturn:
        raise AssertionError(self.host)

    def _facts(self) -> bytes:
        there = [b"1\n" for _ in self.records]
        stats = [f"{len(content)} 8180 root:root\n".encode() for content in self.records.values()]
        return b"".join([*there, *stats, *self.records.values()])


class Endpoint:
    """Yields the server's links, which the patched readers below return as they are."""

    def __init__(self, links: tuple[Link, ...]) -> None:
        self.links = links

    @contextmanager
    def session(self) -> Iterator[tuple[Link, ...]]:
        yield self.links


class Hypervisor:
    """Has no storage pool yet; has no method that would make one. A `bare` one has no QEMU."""

    def __init__(self, *, bare: bool) -> None:
        self.bare = bare

    def list_domains(self) -> tuple[()]:
        return ()

    def can_run(self, arch: str, machine: str, virt_type: str) -> str:
        assert (arch, machine, virt_type) == ("x86_64", "q35", "qemu")
        return NO_EMULATOR if self.bare else ""

    def qemu_user(self) -> tuple[int, int]:
        return 64055, 64055

    def pools(self) -> tuple[()]:
        return ()

    def volumes(self, pool: str) -> tuple[()]:
        return ()


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a build of a small site against fakes; keywords say what is odd about it."""

    def run_it(
        *,
        answer: Raw | None = None,
        links: tuple[Link, ...] = (),
        image: str = "",
        records: Mapping[str, bytes] | None = None,
        records_on: str = "server1",
        bare: bool = False,
        command: click.Command = build.command,
        flags: tuple[str, ...] = (),
    ) -> tuple[int, str]:
        (tmp_path / "hosts.yaml").write_text(HOSTS)
        (tmp_path / "groups.yaml").write_text("")
        (tmp_path / "defaults.yaml").write_text(f"data:\n  cluster: test\n{image}")

        def opened(host: Any, name: str, _config: object = None, **_: object) -> object:
            own = UNDERLAY if host.name == "server1" else SWITCH_UNDERLAY
            extra = links if host.name == "server1" else ()
            kept = (records or {}) if host.name == records_on else {}
            return {
                "shell": Server(host.name, answer, kept),
                "netlink": Endpoint((own, *extra)),
                "libvirt": Hypervisor(bare=bare),
            }[name]

        def route(have: tuple[Link, ...], *_: object) -> Route:
            source = IPv4Address(str(have[0].addresses[0].ip))
            return Route(device=2, source=source, mtu=None, local=False)

        monkeypatch.setattr(access, "opened", opened)
        monkeypatch.setattr(preflight, "dump", lambda have: have)
        monkeypatch.setattr(preflight, "destinations", lambda _have: ())
        monkeypatch.setattr(preflight, "captured", lambda _have, _address: None)
        monkeypatch.setattr(preflight, "route_to", route)
        monkeypatch.setenv("COLUMNS", "400")
        monkeypatch.setenv("FARSWITCH_CONFIG", str(ROOT / "config.yaml"))
        log = str(tmp_path / "build.log")
        done = CliRunner().invoke(command, ["--site", str(tmp_path), "--log", log, *flags])
        return done.exit_code, done.output

    yield run_it
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, RotatingFileHandler)]:
        root.removeHandler(handler)
        handler.close()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Raw(1, b"", b"sudo: a password is required\n"), id="sudo-wants-a-password"),
        pytest.param(Raw(127, b"", b"sh: 1: exec: sudo: not found\n"), id="no-sudo"),
    ],
)
@pytest.mark.log_tells("^ERROR The user on .* may not run commands as root")
def test_no_privilege_on_a_server_ends_with_2(run: Run, answer: Raw):
    status, printed = run(answer=answer)
    assert status == 2, printed
    assert "The user on 'server1' may not run commands as root" in printed
    assert "NOPASSWD" in printed
    assert "Traceback" not in printed


def test_a_subnet_that_a_server_uses_already_ends_with_2(run: Run):
    taken = Link(7, "office", addresses=(IPv4Interface("10.10.0.77/16"),))
    status, printed = run(links=(taken,))
    assert status == 2, printed
    wanted = "'server1' already uses 10.10.0.0/16 on 'office', which overlaps management_network"
    assert wanted in printed
    assert "Traceback" not in printed


def test_a_preflight_alone_names_every_obstacle_and_goes_on_with_the_other_server(
    run: Run,
):
    links = tuple(Link(7, name, addresses=(IPv4Interface(f"{net}.77/24"),)) for name, net in TAKEN)
    status, printed = run(links=links, command=preflight_workflow.command)
    words = " ".join(printed.split())
    assert status == 2, printed
    for name, net in TAKEN:
        assert net in words
        assert f"'{name}'" in words
    assert words.count("Choose another '") == len(TAKEN)
    assert "server2 underlay 198.51.100.2 on 'eth0'" in words
    assert "Traceback" not in printed


def test_a_preflight_names_what_is_wrong_with_the_record_and_still_looks_at_the_servers(
    run: Run,
):
    status, printed = run(records={"test": b'{"version": 4}'}, command=preflight_workflow.command)
    words = " ".join(printed.split())
    assert status == 2, printed
    assert f"The record '{FOLDER}/test.json' on server 'server1' {NEWER}" in words
    assert USE_NEWER in words
    assert "server2 underlay 198.51.100.2 on 'eth0'" in words


def test_a_hypervisor_without_qemu_ends_with_2(run: Run):
    status, printed = run(bare=True)
    assert status == 2, printed
    assert f"libvirt on 'server1' runs no machine of kind 'q35' by 'qemu': {NO_EMULATOR}" in printed
    assert "qemu-system-x86; RHEL and Fedora: qemu-kvm" in printed


def test_another_clusters_interfaces_end_with_1(run: Run):
    """Of one first VNI, hence of one link group: only the alias tells them apart."""
    group = 0x46000000 | 41
    taken = Link(7, "fsb41", kind="bridge", group=group, alias="farswitch:other:node1")
    status, printed = run(links=(taken,))
    assert status == 1, printed
    assert "already has an interface 'fsb41', which is not of cluster 'test'" in printed


def test_an_image_with_another_digest_ends_with_2_before_a_server_is_changed(
    run: Run, tmp_path: Path
):
    (tmp_path / "disk.qcow2").write_bytes(b"not what was ordered")
    status, printed = run(image=f"  image: {{source: disk.qcow2, sha256: {'a' * 64}}}\n")
    assert status == 2, printed
    assert f"wanted {'a' * 64}." in printed
    assert "Correct image.sha256 in the site" in printed
    assert "Traceback" not in printed


LOOKS = {
    "build": {},
    "dry-run": {"flags": ("--dry-run",)},
    "preflight": {"command": preflight_workflow.command},
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(None, "none.qcow2' does not exist.", id="not-there"),
        pytest.param(b"", "none.qcow2' is no disk image: it is empty.", id="empty"),
        pytest.param(b"KDMV", "none.qcow2' has the format VMDK", id="of-another-format"),
        pytest.param(
            b"QFI\xfb" + struct.pack(">IQIIQI", 3, 0, 0, 16, 1 << 40, 0) + bytes(80),
            "The image's disk has 1048576 MiB, wanted at most",
            id="too-large",
        ),
    ],
)
def test_an_image_that_cannot_be_had_is_named_before_anything_is_touched(
    run: Run, look: dict[str, Any], content: bytes | None, words: str, tmp_path: Path
):
    if content is not None:
        (tmp_path / "none.qcow2").write_bytes(content)
    status, printed = run(image=f"  image: {{source: none.qcow2, sha256: {'a' * 64}}}\n", **look)
    assert status == 2, printed
    assert words in " ".join(printed.split())
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("name", "content", "sentence", "remedy"),
    [
        pytest.param(
            "test",
            b'{"version": 4}',
            NEWER,
            USE_NEWER,
            marks=pytest.mark.log_tells("^ERROR The record "),
            id="ours-is-newer",
        ),
        pytest.param("other", b'{"version": 4}', NEWER, USE_NEWER, id="theirs-is"),
        pytest.param(
            "other",
            b'{"version": 2}',
            "is damaged: 'nodes'",
            "Restore it from a backup, or tear the cluster down",
            id="theirs-is-damaged",
        ),
    ],
)
def test_a_record_that_is_not_understood_ends_with_2(
    run: Run, name: str, content: bytes, sentence: str, remedy: str
):
    status, printed = run(records={name: content})
    assert status == 2, printed
    assert f"The record '{FOLDER}/{name}.json' on server 'server1' {sentence}" in printed
    assert remedy in printed
    assert "Traceback" not in printed


def test_a_record_on_a_switch_is_in_nobodys_way(run: Run):
    image = f"  image: {{source: none.qcow2, sha256: {'a' * 64}}}\n"
    status, printed = run(records={"other": b"{"}, records_on="server2", image=image)
    assert status == 2, printed
    assert "none.qcow2' does not exist" in printed
    assert "is damaged" not in printed
