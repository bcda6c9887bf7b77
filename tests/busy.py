"""A machine that has much to do: busy loops of the test's own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Keep processors busy until the block ends."""
    with ExitStack() as stack:
        for _ in range(loops):
            loop = stack.enter_context(subprocess.Popen(["sh", "-c", "while :; do :; done"]))
            stack.callback(loop.kill)
        yield
