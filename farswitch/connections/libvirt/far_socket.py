"""libvirt of a server, on a socket of this machine: its bytes go through a process of a login.

So libvirt is reached as commands are: by the same options, keys and known hosts, the same way, and
as root. Its own ssh transport would read other files, and take no known_hosts file at all.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import Process
from farswitch.errors import ConfigError
from farswitch.home import home_folder

HELPER = ("virt-ssh-helper", "qemu:///system")
"""libvirt's own program for the far end of ssh, since libvirt 6.8: it knows where the socket is."""
PREFIX = "farswitch-libvirt-"
BLOCK = 1 << 16
ELSEWHERE = ("/dev/shm", "/run")  # noqa: S108 - for folders of our user's alone
"""Where a socket may lie, or at home, when the folders for temporary files are full, or cannot be
written."""


class FarSocket:
    """A way to libvirt through a shell."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._process: Process | None = None
        self._printed = ""
        self._near: socket.socket | None = None
        atexit.register(self.end)

    @contextmanager
    def offered(self) -> Iterator[str]:
        """Yield a URI that the next connection is made with, until the block ends.

        The process of the connection before ends first, and this one with an error of the block: it
        holds one of the login's channels.

        Raises:
            ConfigError: No folder of this machine takes a socket.
            ConnectionLostError: The login ended, or could not be made.
        """
        self.end()
        with ExitStack() as stack:
            process = self._process = self._shell.start(HELPER)
            stack.callback(_close_unused, process, carried := threading.Event())
            listener, folder = _listener(stack)
            threading.Thread(
                target=self._carry, args=(listener, process, carried),
                name=f"libvirt of {self._shell.host}", daemon=True,
            ).start()  # fmt: skip
            try:
                yield f"qemu+unix:///system?socket=/proc/self/fd/{folder}/s"
            except BaseException:
                self._printed = process.stderr_tail().strip()  # before it tells of its end
                process.close()
                raise

    def end(self) -> None:
        """End the process at the far end, which nothing else does where libvirt hangs.

        libvirt's library sees the end at once, and not when our threads pass it on: a domain that
        is freed while Python ends has the connection closed, and the threads stand still by then.
        """
        if self._near is not None:
            _wake(self._near)
        if self._process is not None:
            self._process.close()

    def errors(self) -> str:
        """Return what the far end had written to its standard error when the last block failed."""
        return self._printed

    def close(self) -> None:
        """Log out."""
        atexit.unregister(self.end)
        self.end()
        self._shell.close()

    def _carry(self, listener: socket.socket, process: Process, carried: threading.Event) -> None:
        """Pass bytes on between libvirt's library and the process until one of them ends."""
        try:
            near, _ = listener.accept()
        except OSError:
            return
        self._near = near
        carried.set()
        with near:
            back = threading.Thread(target=_back, args=(process, near), daemon=True)
            back.start()
            with contextlib.suppress(OSError, EOFError, ValueError):
                while block := near.recv(BLOCK):
                    process.write(block)
            process.close()
            _wake(near)
            back.join()


def _listener(stack: ExitStack) -> tuple[socket.socket, int]:
    """Return a listening socket, named `s` in a folder of our user's alone, and the open folder.

    By the folder's descriptor its name is short enough (`sun_path` of unix(7): 108 bytes). It goes
    at the stack's end; what was connected stays.
    """
    for place in (None, os.environ.get("XDG_RUNTIME_DIR"), *ELSEWHERE, *_home()):
        with contextlib.suppress(OSError), ExitStack() as failed:
            folder = tempfile.mkdtemp(prefix=PREFIX, dir=place)
            failed.callback(os.rmdir, folder)
            descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            failed.callback(os.close, descriptor)
            listener = failed.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(f"/proc/self/fd/{descriptor}/s")
            failed.callback(os.unlink, f"{folder}/s")
            listener.listen(1)
            failed.callback(_wake, listener)
            stack.enter_context(failed.pop_all())
            return listener, descriptor
    raise ConfigError(
        "No folder of this machine takes a socket, which libvirt is reached by.",
        hint="Free space in /tmp, or name another folder: export TMPDIR=FOLDER",
    )


def _home() -> tuple[Path, ...]:
    try:
        return (home_folder(),)
    except ConfigError:
        return ()


def _wake(listener: socket.socket) -> None:
    """End a thread's wait for a connection: closing alone does not."""
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)


def _close_unused(process: Process, carried: threading.Event) -> None:
    if not carried.is_set():
        process.close()


def _back(process: Process, near: socket.socket) -> None:
    with contextlib.suppress(OSError, EOFError, ValueError):
        while block := process.read(BLOCK):
            near.sendall(block)
    _wake(near)
