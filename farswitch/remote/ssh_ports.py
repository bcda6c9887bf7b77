"""Look at port 22 of addresses, and print as JSON what each shows.

Usage: python3 ssh_ports.py SECONDS ADDRESS...

"ssh", "refused", "silent" (it takes a connection and says nothing within SECONDS), or "connect",
with the error's text behind it where there is one. All are looked at side by side: one that does
not answer costs the run one deadline, not many.
"""

from __future__ import annotations

import json
import socket
import sys
import threading

PORT = 22


def look(address: str, seconds: float, shown: dict[str, str]) -> None:
    """Note what one address shows."""
    shown[address] = "connect"
    try:
        with socket.create_connection((address, PORT), seconds) as login:
            shown[address] = "silent"
            login.settimeout(seconds)
            if login.recv(4) == b"SSH-":
                shown[address] = "ssh"
    except ConnectionRefusedError:
        shown[address] = "refused"
    except socket.timeout:  # noqa: UP041 - Python 3.8
        pass
    except OSError as error:
        if shown[address] == "connect":
            shown[address] = f"connect: {error.strerror}"


def main() -> None:
    """Look at all, and print."""
    seconds, addresses = float(sys.argv[1]), sys.argv[2:]
    shown: dict[str, str] = {}
    threads = [
        threading.Thread(target=look, args=(address, seconds, shown), daemon=True)
        for address in addresses
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * seconds)
    print(json.dumps(shown))


main()
