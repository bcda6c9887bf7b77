"""What a program of this machine prints on its standard error."""

from __future__ import annotations

import os
import tempfile
import threading

from farswitch.connections.shell.protocol import TAIL


class ErrorsFile:
    """An unnamed file that a program writes to, so it never blocks.

    One thread may close it while another asks for its end, which is known after that, too.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._lock = threading.Lock()
        self._last = b""

    def fileno(self) -> int:
        """Return the descriptor that the program is given."""
        return self._file.fileno()

    def tail(self) -> str:
        """Return the end of what has been printed."""
        with self._lock:
            return self._read().decode(errors="replace")

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._lock:
            self._last = self._read()
            self._file.close()

    def _read(self) -> bytes:
        """Read without a seek: the program writes on from where the file's one offset stands."""
        if self._file.closed:
            return self._last
        number = self._file.fileno()
        return os.pread(number, TAIL, max(0, os.fstat(number).st_size - TAIL))
