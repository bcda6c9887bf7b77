"""Into a guest by ssh: `python -m workflows.ssh`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from farswitch.run.become import become
from farswitch.run.cli import Options, interactive, main
from farswitch.run.command import Command
from farswitch.run.session import Session
from farswitch.run.ssh_config import save
from workflows.lab_up import check_lab

SSH_HINT = "Install OpenSSH's client: apt install openssh-client"


@main("ssh")
def run(options: Options, guest: str, words: Sequence[str], user: str | None) -> int:
    """Write the cluster's ssh configuration where it is not there, and become ssh."""
    with Session("ssh", options, quiet=True) as session:
        check_lab(session)
        session.read_record()
        record = session.built_record
        name = session.guest(guest).name
        path = save(session.cluster, record)
    login = ["-l", user] if user else []
    become(["ssh", "-F", str(path), *login, "--", name, *words], hint=SSH_HINT)


@click.command(cls=Command)
@click.argument("guest")
@click.argument("words", nargs=-1, metavar="[-- COMMAND]")
@click.option("--as", "user", type=click.Choice(["root"]), help="Log in as root; default: the"
              " cluster's user.")  # fmt: skip
@interactive
def command(*, guest: str, words: tuple[str, ...], user: str | None, **options: Any) -> None:
    """Log in to a guest by ssh, or run a command there."""
    run(Options(**options), guest=guest, words=words, user=user)


if __name__ == "__main__":
    command(prog_name="python -m workflows.ssh")
