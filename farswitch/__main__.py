"""The command `farswitch`: `farswitch build` is `python -m workflows.build`."""

from __future__ import annotations

import importlib
from importlib.resources import files

import click
from click.shell_completion import CompletionItem

COMMANDS = {
    "preflight": "Look whether every server can carry its part of the cluster; change nothing.",
    "build": "Raise the cluster of the site, or bring what stands to what is wanted.",
    "verify": "Prove that the cluster works and that every byte between guests crosses the switch.",
    "status": "Show what stands: each guest, its port of the switch, and what went through it.",
    "switch": "The switch in use: what it is, and another one in its place under running jobs.",
    "study": "Experiments on the switch: cells in random blocks, intervals, what may be claimed.",
    "impair": "What ports do to frames on purpose: delay, loss, a rate, by direction, or be down.",
    "trace": "Send marked frames from one guest to another, and count them at every hop.",
    "capture": "Capture frames of guests at every interface of both servers, for Wireshark.",
    "matrix": "Count the bytes that each guest sends to each, at the ports of the switch.",
    "graph": "Draw the cluster as SVG, Mermaid or DOT, with what stands in colour.",
    "exec": "Run a command on guests side by side, and show what it printed, grouped where equal.",
    "app": "Applications: recipes that compile your sources on the head, for all nodes.",
    "ssh": "Log in to a guest by ssh, or run a command there.",
    "console": "Show the serial console of a guest, and type into it; ^] leaves it.",
    "stop": "Switch the guests off, and keep tunnels, bridges, disks and record: start goes on.",
    "snapshot": "Snapshots: memory and disks of all guests at one moment, and back to it.",
    "start": "Start the guests that are off, and wait until all are ready.",
    "runs": "List what was run from this machine, the latest first.",
    "report": "Write a run as one HTML page, the latest if none is named.",
    "teardown": "Remove the cluster and restore both servers.",
    "orphans": "List what farswitch has on the servers, of all clusters, and who needs it.",
    "lab": "Two stand-in servers on this machine: server1 with libvirt, server2 for the switch.",
    "site": "Sites: which servers there are, and what cluster is wanted on them.",
}
"""The modules of `workflows` that have a `command`, each with the first sentence of its help."""


class Workflows(click.Group):
    """A group that imports a command's module only when that command is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of `--help`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a command; None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"workflows.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101 - for the type checker
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the commands into the help, of which none is imported."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that a word may become, and import none."""
        options = click.Command.shell_complete(self, ctx, incomplete)
        names = [name for name in COMMANDS if name.startswith(incomplete)]
        return [*(CompletionItem(name, help=COMMANDS[name]) for name in names), *options]


def _cite(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:  # noqa: FBT001
    """Print how farswitch is cited, as CITATION.cff has it."""
    if wanted:
        click.echo(
            files("farswitch").joinpath("CITATION.cff").read_text(encoding="utf-8"), nl=False
        )
        ctx.exit()


@click.group(cls=Workflows)
@click.version_option(package_name="farswitch")
@click.option(
    "--citation", is_flag=True, is_eager=True, expose_value=False, callback=_cite,
    help="Print how to cite it.",
)  # fmt: skip
def main() -> None:
    """Raise an MPI cluster whose every byte crosses a software switch on another server."""


if __name__ == "__main__":
    main(prog_name="farswitch")
