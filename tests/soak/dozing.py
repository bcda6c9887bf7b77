"""A build that stops itself in the middle of a call of libvirt, after the fence let it pass.

`python dozing.py` with the options of a build; its guests stand still, as in `unbooted.py`.
"""

from __future__ import annotations

import os
import signal

from farswitch.connections.libvirt import domains
from tests.soak import unbooted


def define(self: domains.Domains, xml: str) -> None:
    connection = self.connection()
    os.kill(os.getpid(), signal.SIGSTOP)
    with domains.told(self.host, "a domain"):
        connection.defineXML(xml)


if __name__ == "__main__":
    domains.Domains.define = define
    unbooted.main()
