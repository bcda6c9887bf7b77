"""`stop` and `start` on the command line: in which order, and of what cluster."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result
from nornir.core.task import Result as TaskResult

from farswitch.run import session
from workflows import snapshot_stages, start, stop

PULLED = "Guest 'node2' did not shut down within 60 s: its plug was pulled."


def typed(workflow: ModuleType, site: Path, *words: str) -> Result:
    argv = ["--site", str(site), *words]
    return CliRunner().invoke(workflow.command, argv, catch_exceptions=False)


@pytest.fixture(autouse=True)
def unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no lock be taken: there are no servers."""
    for workflow in (stop, start):
        monkeypatch.setattr(workflow, "locked", lambda _session: nullcontext())


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The server that is looked at, and the guests in the order of their going off."""
    order: list[str] = []

    def snapshot_look(task, guests, owner):
        order.append(task.host.name)
        return TaskResult(task.host)

    def vm_stop(task, guest, hypervisor):
        assert (task.host.name, hypervisor.name) == (guest.name, "server1")
        order.append(guest.name)
        notes = [PULLED] if guest.name == "node2" else []
        return TaskResult(task.host, changed=True, diff=f"- {guest.name}", count=1, notes=notes)

    monkeypatch.setattr(snapshot_stages, "snapshot_look", snapshot_look)
    monkeypatch.setattr(stop, "vm_stop", vm_stop)
    return order


def test_the_head_goes_last_and_what_was_forced_is_said(built_site, stopped):
    ended = typed(stop, built_site)
    assert ended.exit_code == 0
    assert stopped[-1] == "node1", "it has the share that the others write to"
    assert stopped[0] == "server1", "guests that stand still for a snapshot are waited for"
    assert sorted(stopped[1:]) == ["node1", "node2", "node3", "node4"]
    assert PULLED in ended.stdout
    assert "done" in ended.stdout
    assert ", 4 changed." in ended.stdout


def test_a_dry_run_tells(built_site, stopped):
    ended = typed(stop, built_site, "--dry-run")
    assert ended.exit_code == 0
    assert "node[1-4] (4)\n  vm_stop\n    - node[1-4]\n" in ended.stdout
    assert "Plan: 0 to add, 0 to change, 4 to remove." in ended.stdout


@pytest.mark.parametrize("workflow", [stop, start], ids=["stop", "start"])
@pytest.mark.log_tells("There is no cluster 'test' on its servers.")
def test_a_cluster_that_was_not_built_is_named(built_site, stopped, monkeypatch, workflow):
    monkeypatch.setattr(session, "read", lambda _login, _name: None)
    ended = typed(workflow, built_site)
    assert ended.exit_code == 1
    assert "There is no cluster 'test' on its servers." in ended.stderr
    assert stopped == []
