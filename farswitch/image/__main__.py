"""`python -m farswitch.image`: make the guest image ahead of the first build."""

from __future__ import annotations

import sys

import click

from farswitch.errors import ConfigError, FarswitchError
from farswitch.image.build import build
from farswitch.image.recipe import recipe


@click.command()
@click.option("--stock", is_flag=True, help="The ordinary cloud image of the same packages.")
def main(*, stock: bool) -> None:
    """Make the guest image, if the cache has none, and print its folder."""
    try:
        image = build(recipe(), stock=stock, progress=lambda line: click.echo(line, err=True))
    except FarswitchError as error:
        click.echo(f"{error}\n{error.hint}".strip(), err=True)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    click.echo(image.disk.parent)


if __name__ == "__main__":
    main()
