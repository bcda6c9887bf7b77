"""What the shell completes: names of sites, and names in a list with commas."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

from farswitch.site.find import site_names

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def sites(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the sites that a word may become, and let the shell add folders."""
    names = [CompletionItem(name) for name in site_names() if name.startswith(incomplete)]
    return [*names, CompletionItem(incomplete, type="dir")]


def comma_list(names: Callable[[], Iterable[str]]) -> Complete:
    """Return what completes the last word of a list with commas, from names asked for each time."""

    def complete(
        _ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        done, comma, word = incomplete.rpartition(",")
        left = [name for name in dict.fromkeys(names()) if name not in done.split(",")]
        return [CompletionItem(f"{done}{comma}{name}") for name in left if name.startswith(word)]

    return complete
