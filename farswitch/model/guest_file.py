"""A file of a guest, as the seed and the tasks write it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True, slots=True)
class File:
    """A file in the guest; `owner` is `root:root` or the user's `name:name`.

    What prints it leaves its bytes out: some files are private keys.
    """

    path: str
    content: bytes = field(repr=False)
    mode: int = 0o644
    owner: str = "root:root"

    @classmethod
    def marked(cls, path: str, mark: str, body: str) -> Self:
        """Return a file of root's that says in its first line whose it is."""
        return cls(path, f"# {mark}\n{body}\n".encode())
