"""A run that stands still where it would confirm a change: `python held.py WORKFLOW SERVER ...`.

So it can be killed between a change of that server's firewall and its confirmation, surely. The
options of the workflow follow; a build's guests stand still.
"""

from __future__ import annotations

import os
import signal
import sys

from connections.shell import Shell
from tasks import deadman, revert
from tests.soak import unbooted
from workflows import teardown

_confirm = revert._confirm


def main() -> None:
    workflow, server = sys.argv[1:3]
    del sys.argv[1:3]

    def stand(shell: Shell, armed: deadman.Armed, seconds: float) -> bool:
        if shell.host == server and armed.id.startswith(f"{revert.FIREWALL}-"):
            os.kill(os.getpid(), signal.SIGSTOP)
        return _confirm(shell, armed, seconds)

    revert._confirm = stand
    if workflow == "build":
        unbooted.main()
    else:
        teardown.command(prog_name="python -m workflows.teardown")


if __name__ == "__main__":
    main()
