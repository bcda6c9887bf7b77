"""`snapshot` on the command line: what is refused, and what is said where a server was faster."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from nornir.core.task import Result as TaskResult

from farswitch.guests.snapshots import GuestSnapshots
from tests.unit.guests.snapshot_looks import looks
from workflows import snapshot, snapshot_stages

Looks = dict[str, GuestSnapshots]


class Guests:
    """What the tasks find and do; `change` is made to what the look has found."""

    def __init__(self) -> None:
        self.change: Callable[[Looks], Looks] = lambda found: found
        self.removed: list[str] = []
        self.in_time = True

    def snapshot_look(self, task, guests, owner):
        return TaskResult(task.host, result=self.change(looks(guests)))

    def snapshot(self, task, guest, hypervisor, snapshot, about="", *, present=True):
        if not present:
            self.removed.append(guest.name)
        return TaskResult(task.host, changed=True, count=1)

    def hold(self, task, guests, owner, kind, undo="", *, present=True):
        return TaskResult(task.host, result=present or self.in_time)

    def snapshot_restore(self, task, guest, hypervisor, snapshot, *, seed=False):
        return TaskResult(task.host, changed=True, count=1)


@pytest.fixture
def guests(monkeypatch: pytest.MonkeyPatch) -> Guests:
    made = Guests()
    monkeypatch.setattr(snapshot, "locked", lambda _session: nullcontext())
    monkeypatch.setattr(snapshot_stages, "snapshot_look", made.snapshot_look)
    monkeypatch.setattr(snapshot_stages, "snapshot", made.snapshot)
    monkeypatch.setattr(snapshot_stages, "hold", made.hold)
    monkeypatch.setattr(snapshot_stages, "snapshot_restore", made.snapshot_restore)
    monkeypatch.setattr(snapshot_stages, "before_restore", before_restore)
    monkeypatch.setattr(snapshot_stages, "settling", lambda _session: iter(()))
    return made


def before_restore(session, name):
    """The look alone: there are no servers whose network could be brought into order."""
    yield snapshot_stages.look_stage(session)


def typed(site: Path, *words: str) -> Result:
    argv = [*words, "--site", str(site)]
    return CliRunner().invoke(snapshot.command, argv, catch_exceptions=False)


def without_parts(found: Looks) -> Looks:
    return {name: replace(look, parts=()) for name, look in found.items()}


def smaller(found: Looks) -> Looks:
    """All guests have more memory now than when they were saved."""
    return {
        name: replace(look, domain=replace(look.domain, xml=more_memory(look.domain.xml)))
        for name, look in found.items()
        if look.domain
    }


def more_memory(xml: str) -> str:
    assert "512</memory>" in xml
    return xml.replace("512</memory>", "768</memory>")


def lacking_one(found: Looks) -> Looks:
    return found | {"node2": replace(found["node2"], parts=())}


def test_what_is_saved_is_kept(built_site, guests):
    guests.change = without_parts
    ended = typed(built_site, "save", "one")
    assert ended.exit_code == 0
    assert guests.removed == []


@pytest.mark.log_tells("has a snapshot 'one' of")
@pytest.mark.parametrize("change", [lambda found: found, smaller], ids=["whole", "refused-now"])
def test_a_name_that_is_taken_is_refused_and_what_has_it_stays(built_site, guests, change):
    guests.change = change
    ended = typed(built_site, "save", "one")
    assert ended.exit_code == 2
    assert "has a snapshot 'one' of 1970" in ended.stderr
    assert guests.removed == []


def test_what_a_save_left_that_was_cut_off_goes_first(built_site, guests):
    guests.change = lacking_one
    ended = typed(built_site, "save", "one")
    assert ended.exit_code == 0
    assert sorted(guests.removed) == ["node1", "node2", "node3", "node4"]


@pytest.mark.log_tells("took so long that the server")
@pytest.mark.parametrize("word", ["save", "restore"])
def test_where_a_server_let_the_guests_go_on_before_it_is_an_error(built_site, guests, word):
    guests.change = without_parts if word == "save" else lambda found: found
    guests.in_time = False
    ended = typed(built_site, word, "one")
    assert ended.exit_code == 1
    assert f"The {word} of 'one' took so long that the server" in ended.stderr
    assert len(guests.removed) == (4 if word == "save" else 0)
