"""Where a capture goes: a file that is there when it is complete, or standard output."""

from __future__ import annotations

import os
import sys
from io import FileIO
from pathlib import Path
from typing import Self

from farswitch.errors import ConfigError

STANDARD_OUTPUT = 1


class CaptureTarget:
    """A file, written as FILE.part beside it, or standard output where there is no path.

    Use it as a context manager: what was not kept is removed at its end.
    """

    def __init__(self, path: Path | None) -> None:
        """Look whether it can be written.

        Raises:
            ConfigError: It cannot.
        """
        self.path = path
        if path is None:
            if sys.stdout.isatty():
                raise ConfigError(
                    "Standard output is a terminal, which shows no packets.",
                    hint="Lead it to Wireshark: farswitch capture … --write - | wireshark -k -i -",
                )
        elif path.is_dir() or not os.access(path.parent, os.W_OK):
            raise ConfigError(f"The file '{path}' cannot be written.")

    def __enter__(self) -> Self:
        """Open it.

        Raises:
            ConfigError: It cannot be written.
        """
        if self.path is None:
            self.stream = FileIO(STANDARD_OUTPUT, "wb", closefd=False)
            return self
        self._part = self.path.with_name(f"{self.path.name}.part")
        try:
            self.stream = FileIO(self._part, "wb")
        except OSError as error:
            raise ConfigError(
                f"The file '{self._part}' cannot be written: {error.strerror}."
            ) from error
        return self

    def keep(self) -> None:
        """Give the file its name; one that had it is replaced."""
        if self.path is not None:
            self.stream.close()
            self._part.replace(self.path)

    def __exit__(self, *_: object) -> None:
        """Close it, and remove a part that was not kept."""
        self.stream.close()
        if self.path is not None:
            self._part.unlink(missing_ok=True)
