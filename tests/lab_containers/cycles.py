"""Builds and tears down again and again, in one process: `python cycles.py SITE LOG COUNT`.

Prints how many descriptors and threads this process has after the first and after the last cycle.
With 0 for the count it builds once, without guests, and prints how much that changed.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from pathlib import Path

from farswitch.deadline import Deadline, DeadlineError, wait_until
from farswitch.run.cli import Options
from farswitch.run.locking import fenced, locked
from farswitch.run.session import Session
from tests.lab_containers.plant import define_guests, without_guests
from workflows import teardown


def build(options: Options, *, guests: bool = True) -> int:
    """Build, and return how many things that changed."""
    with Session("build", options) as session:
        with locked(session):
            session.read_record()
            session.run(fenced(session, without_guests(session)))
            if guests and not session.recorder.failures:
                define_guests(session)
        if code := session.finish():
            sys.exit(code)
        return session.recorder.changed


def tear_down(options: Options) -> None:
    with Session("teardown", options) as session:
        with locked(session, reach_all=False):
            stages = teardown.stages(session, session.cluster.name, site=session.cluster.settings)
            session.run(fenced(session, stages), on_failed=True)
        if code := session.finish():
            sys.exit(code)


def held() -> dict[str, int]:
    return {
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
    }


def settled(wanted: dict[str, int] | None) -> dict[str, int]:
    """Return what is held once it is as wanted, or after five seconds."""
    with contextlib.suppress(DeadlineError):
        wait_until(lambda: held() == wanted, Deadline(5 if wanted else 1), what="The end")
    return held()


def main() -> None:
    options = Options(site=sys.argv[1], log=sys.argv[2])
    if sys.argv[3] == "0":
        print(json.dumps({"changed": build(options, guests=False)}))
        return
    first: dict[str, int] | None = None
    for _ in range(int(sys.argv[3])):
        build(options)
        tear_down(options)
        first = first or settled(None)
    print(json.dumps({"first": first, "last": settled(first)}))


if __name__ == "__main__":
    main()
