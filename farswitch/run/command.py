"""A command of the command line that takes no empty arguments."""

from __future__ import annotations

from typing import Any

import click

from farswitch.run.c_locale import plain_in_c_locale


class Command(click.Command):
    """Refuses every argument that is empty: it is a variable of the shell that is not set.

    `--site "$SITE"` without SITE is not the default site, nor `--cluster "$NAME"` the site's
    cluster: what the caller wanted is not known.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, none of which is empty.

        Raises:
            click.UsageError: One is.
        """
        if not ctx.resilient_parsing:  # completion has empty words
            for before, argument in zip(["", *args], args, strict=False):
                _refuse_empty(ctx, before, argument)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, for the terminal that there is."""
        plain_in_c_locale()
        return super().invoke(ctx)


def _refuse_empty(ctx: click.Context, before: str, argument: str) -> None:
    option, equals, value = argument.partition("=")
    if equals and option.startswith("--") and not value.strip():
        name = option
    elif not argument.strip():
        name = before if before.startswith("-") and "=" not in before else "An argument"
    else:
        return
    raise click.UsageError(f"{name} is empty, wanted a value: is a variable not set?", ctx)


class Group(click.Group):
    """A group of such commands."""

    command_class = Command
