"""Files that are the same for all guests, rendered once: each of them has a line for each guest."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from farswitch.model.guest_file import File

P = ParamSpec("P")
Files = tuple[File, ...]


def render_once(render: Callable[P, Files]) -> Callable[P, Files]:
    """Let a renderer return what it returned last, where it is asked for the same again.

    Its arguments are compared, which takes no time where they are the same objects.
    """
    last: tuple[object, Files] | None = None

    @wraps(render)
    def rendered(*args: P.args, **kwargs: P.kwargs) -> Files:
        nonlocal last
        asked, known = (args, kwargs), last  # another thread may replace it meanwhile
        files = known[1] if known and known[0] == asked else render(*args, **kwargs)
        last = asked, files
        return files

    return rendered
