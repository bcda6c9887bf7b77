"""A server whose disk is full: the error says so, and what was there is whole."""

from __future__ import annotations

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.connections.shell.protocol import CommandError
from farswitch.errors import FarswitchError
from farswitch.model.cluster import cluster
from farswitch.site.loader import ROOT, load_site
from farswitch.state import journal, record
from farswitch.state.keys import SettingKey
from farswitch.state.saved_settings import Claim, Journal

pytestmark = pytest.mark.root

FOLDER = journal.FOLDER


@pytest.fixture
def full(box: LocalShell) -> LocalShell:
    """A machine with 16 kB for the files of ours."""
    box.run(["mkdir", "-p", FOLDER])
    box.run(["mount", "-t", "tmpfs", "-o", "size=16k", "farswitch-test", FOLDER])
    return box


def files(shell: LocalShell) -> list[str]:
    return sorted(shell.run(["find", FOLDER, "-type", "f"]).stdout.split())


def claims(number: int) -> dict[SettingKey, Claim]:
    one = Claim(("0",), ("1",), frozenset({"lab"}))
    return {SettingKey(f"net.ipv4.conf.x{index}.forwarding"): one for index in range(number)}


def test_the_journal_stays_as_it_was(full: LocalShell) -> None:
    have = journal.store(full, Journal(claims(3)))
    with pytest.raises(FarswitchError, match=r"journal.* on server 'box\d+'.*No space left"):
        journal.store(full, Journal(claims(1000), have.digest))
    assert files(full) == [f"{FOLDER}/journal.json"]
    assert journal.load(full) == have
    assert journal.store(full, Journal(claims(4), have.digest)).claims == claims(4)


def test_the_record_stays_as_it_was(full: LocalShell) -> None:
    path = record.path_of("lab")
    small = record.complete(None, cluster(load_site(str(ROOT / "inventory/lab")), 1))
    large = record.complete(small, cluster(load_site(str(ROOT / "inventory/lab")), 60))
    full.write(path, record.render(small), mode=0o600)
    with pytest.raises(CommandError, match=r"on 'box\d+'.*No space left"):
        full.write(path, record.render(large), mode=0o600)
    assert files(full) == [path]
    assert record.read(full, "lab") == small


def test_what_a_killed_write_left_goes_with_the_journal(full: LocalShell) -> None:
    have = journal.store(full, Journal(claims(3)))
    full.write(f"{FOLDER}/journal.json.new", b"half")
    journal.store(full, Journal({}, have.digest))
    assert files(full) == []
