"""A run that stands still where it would confirm a change: `python held.py WORKFLOW SERVER ...`.

So it can be killed between a change of that server's firewall and its confirmation, surely. The
options of the workflow follow; a build's guests stand still.
"""

from __future__ import annotations

import os
import signal
import sys

from farswitch.connections.shell.base import Shell
from farswitch.rollback import confirmed_change as confirmed
from farswitch.rollback import timer
from tests.soak import unbooted
from workflows import teardown

_confirm = confirmed._confirm


def main() -> None:
    workflow, server = sys.argv[1:3]
    del sys.argv[1:3]

    def stand(shell: Shell, started: timer.RollbackTimer, seconds: float) -> bool:
        if shell.host == server and started.id.startswith(f"{confirmed.FIREWALL}-"):
            os.kill(os.getpid(), signal.SIGSTOP)
        return _confirm(shell, started, seconds)

    confirmed._confirm = stand
    if workflow == "build":
        unbooted.main()
    else:
        teardown.command(prog_name="python -m workflows.teardown")


if __name__ == "__main__":
    main()
