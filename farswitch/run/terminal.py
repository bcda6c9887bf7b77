"""Text of servers and guests, made fit for a terminal: it is data, and gives no orders."""

from __future__ import annotations

from rich.text import Text

from farswitch.guests.console import ESCAPES

LONGEST = 8_000
"""Characters of one text that are shown: a page or two; the JSON document has all of it."""


def safe(text: str, longest: int | None = LONGEST) -> str:
    """Return a text without escape codes and whatever else a terminal would obey, and bounded.

    Line ends and tabs stay. What turns the direction of writing goes: it can make a text read as
    another one. A text that was asked for, as a command's output, has no `longest`.
    """
    cut = text if longest is None or len(text) <= longest else f"{text[:longest]}…"
    return "".join(char for char in ESCAPES.sub("", cut) if char.isprintable() or char in "\n\t")


def shown(text: str, style: str = "") -> Text:
    """Return a text as `rich` prints it: no codes of its own, no markup."""
    return Text(safe(text), style=style)
