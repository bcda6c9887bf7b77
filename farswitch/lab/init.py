"""A member's first process: makes its file systems, boots it, and keeps its services running.

Started as `unshare ... python -m farswitch.lab.init LAB MEMBER` with the spec on standard input.
The names of lab and member are only there to be seen in the list of processes. Killing this process
ends everything in the member, as the power switch of a server would.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

from farswitch.errors import FarswitchError
from farswitch.lab.filesystems import assemble
from farswitch.lab.run import PATH, run
from farswitch.lab.server_spec import ServerSpec, Service

RESTART_AFTER = 1.0
"""Seconds between two starts of one service, so that a broken one does not take the processor."""
_ENVIRONMENT = {
    "PATH": PATH,
    "HOME": "/root",
    "LANG": "C.UTF-8",
}
_WATCHED = {signal.SIGCHLD}


def main() -> int:
    """Start the member and return when it has booted, leaving its first process behind."""
    spec = ServerSpec.model_validate_json(sys.stdin.read())
    reader, writer = os.pipe()
    if os.fork():  # the child is the first of the new process namespace
        os.close(writer)
        with os.fdopen(reader) as answer:
            return 0 if answer.read() == "booted" else 1
    os.close(reader)
    _detach()
    try:
        _boot(spec)
    except FarswitchError as error:
        print(error, file=sys.stderr)  # noqa: T201 (the log, which `up` shows)
        return 1
    os.write(writer, b"booted")
    os.close(writer)
    _supervise(spec.services)
    return 1


def _detach() -> None:
    os.setsid()
    os.umask(0o022)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def _boot(spec: ServerSpec) -> None:
    os.environ.clear()
    os.environ.update(_ENVIRONMENT)
    socket.sethostname(spec.hostname)
    assemble(spec)
    for argv in spec.boot:
        run(argv)


def _supervise(services: tuple[Service, ...]) -> None:
    """Start the services, start again those that end, and reap every orphan."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    running: dict[int, Service] = {}
    started: dict[str, float] = {}
    while True:
        now = time.monotonic()
        missing = [service for service in services if service not in running.values()]
        for service in missing:
            if now - started.get(service.name, -RESTART_AFTER) >= RESTART_AFTER:
                running[_start(service)] = service
                started[service.name] = now
        signal.sigtimedwait(_WATCHED, RESTART_AFTER if missing else 3600.0)
        for pid in _reap():
            if service_ended := running.pop(pid, None):
                print(f"lab: '{service_ended.name}' ended", flush=True)  # noqa: T201 (the log)


def _start(service: Service) -> int:
    return os.posix_spawn(
        service.argv[0], service.argv, _ENVIRONMENT, setsigmask=(), setsigdef=_WATCHED, setsid=True
    )


def _reap() -> list[int]:
    ended: list[int] = []
    while True:
        try:
            pid, _status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended.append(pid)


if __name__ == "__main__":
    sys.exit(main())
