"""Snapshots of the cluster: `python -m workflows.snapshot save NAME`, `restore NAME`, `list`."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import click
from rich.table import Column, Table

from farswitch.errors import ConfigError
from farswitch.guests.snapshots import NAME, NAME_WANTED, ClusterSnapshot
from farswitch.model import node_names
from farswitch.run.cli import Options, changing, main, read_only
from farswitch.run.command import Command, Group
from farswitch.run.documents import SnapshotEntry
from farswitch.run.echo import echo
from farswitch.run.locking import fenced, locked, note_holder
from farswitch.run.print_report import console_for, failures_on
from farswitch.run.session import Session
from farswitch.run.terminal import shown
from workflows.lab_up import ensure_lab
from workflows.snapshot_stages import (
    found,
    look_stage,
    remove_stages,
    restore_snapshot,
    save_snapshot,
)


def check_name(name: str) -> None:
    """Refuse what cannot be a snapshot's name.

    Raises:
        ConfigError: It has other characters, or too many.
    """
    if not re.fullmatch(NAME, name):
        raise ConfigError(
            f"{node_names.shown(name)} cannot be the name of a snapshot, wanted {NAME_WANTED}."
        )


def changed(
    options: Options, workflow: str, name: str, change: Callable[[Session, str], None]
) -> int:
    """Change a snapshot or the cluster, and report."""
    check_name(name)
    with Session(workflow, options) as session:
        ensure_lab(session)
        with locked(session):
            session.read_record()
            _ = session.built_record
            change(session, name)
        return session.finish()


@main("snapshot-save")
def save(options: Options, name: str) -> int:
    """Save and report."""
    return changed(options, "snapshot-save", name, save_snapshot)


@main("snapshot-restore")
def restore(options: Options, name: str) -> int:
    """Restore and report."""
    return changed(options, "snapshot-restore", name, restore_snapshot)


@main("snapshot-remove")
def remove(options: Options, name: str) -> int:
    """Remove and report."""

    def change(session: Session, name: str) -> None:
        session.run(fenced(session, remove_stages(session, name)))

    return changed(options, "snapshot-remove", name, change)


@main("snapshot-list")
def show(options: Options) -> int:
    """Look and show."""
    options = dataclasses.replace(options, dry_run=True)
    with Session("snapshot-list", options, quiet=True) as session:
        ensure_lab(session)
        session.read_record()
        _ = session.built_record
        note_holder(session, session.cluster.name, session.head_host)
        good = session.run([look_stage(session)])
        console, report = console_for(as_json=options.json), session.report()
        there = found(session) if good else ()
        if options.json:
            extra = {"snapshots": [_entry(one) for one in there]} if good else {}
            echo(json.dumps(report.document() | extra, indent=1))
        elif there:
            console.print(_table(there), soft_wrap=False)
        elif good:
            console.print(shown(f"Cluster '{session.cluster.name}' has no snapshot."))
        for note in report.notes:
            console.print(shown(note))
        failures_on(console, report)
        return report.exit_code


def _entry(one: ClusterSnapshot) -> SnapshotEntry:
    return {
        "name": one.name,
        "taken": one.moment,
        "nodes": list(one.nodes),
        "refusal": one.refusal,
    }


def _table(there: Sequence[ClusterSnapshot]) -> Table:
    names = ("Snapshot", "Taken", "Nodes", "Can be restored")
    table = Table(*(Column(name) for name in names), box=None, pad_edge=False)
    for one in there:
        words = (
            one.name,
            one.moment,
            node_names.fold(one.nodes),
            f"no: {one.refusal}" if one.refusal else "yes",
        )
        table.add_row(*(shown(word) for word in words))
    return table


@click.group(cls=Group)
def command() -> None:
    """Snapshots: memory and disks of all guests at one moment, and back to it."""


@command.command(name="save", cls=Command)
@click.argument("name")
@changing
def save_command(*, name: str, **options: Any) -> None:
    """Keep all guests as they are now, under NAME; they stand still for some seconds."""
    save(Options(**options), name=name)


@command.command(name="restore", cls=Command)
@click.argument("name")
@changing
def restore_command(*, name: str, **options: Any) -> None:
    """Have all guests as they were when NAME was saved; what they are now is lost.

    The network and the switch are brought into order as by a build; keys and record stay.
    """
    restore(Options(**options), name=name)


@command.command(name="remove", cls=Command)
@click.argument("name")
@changing
def remove_command(*, name: str, **options: Any) -> None:
    """Forget the snapshot NAME; the guests go on as they are."""
    remove(Options(**options), name=name)


@command.command(name="list", cls=Command)
@read_only
def list_command(**options: Any) -> None:
    """List the snapshots, and why one cannot be restored."""
    show(Options(**options))


if __name__ == "__main__":
    command(prog_name="python -m workflows.snapshot")
