"""A file of a guest, as the seed and the tasks write it."""

from __future__ import annotations

import hashlib
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

    @property
    def sha256(self) -> str:
        """The digest of its bytes, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    @classmethod
    def marked(cls, path: str, mark: str, body: str) -> Self:
        """Return a file of root's that says in its first line whose it is."""
        return cls(path, f"# {mark}\n{body}\n".encode())
