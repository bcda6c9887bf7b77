"""Two namespaces in the place of two guests: a message of the full MTU goes there and back.

Runs on a hypervisor: `python3 - NETWORK MTU BRIDGE BRIDGE`, where NETWORK is three numbers.
"""

import subprocess
import sys
import time
from pathlib import Path

SECONDS = 20
HEADERS = 28
"""Of IPv4 and UDP."""
SEND = """
import socket, sys, time
there, message = (sys.argv[1], 7), bytes(int(sys.argv[2]))
end = time.monotonic() + float(sys.argv[3])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine:
    mine.settimeout(0.2)
    while time.monotonic() < end:
        mine.sendto(message, there)
        try:
            sys.exit(mine.recv(65535) != message)
        except (TimeoutError, ConnectionRefusedError):
            pass
sys.exit("no answer")
"""
HEAR = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine:
    mine.settimeout(float(sys.argv[1]))
    mine.bind(("", 7))
    mine.sendto(*mine.recvfrom(65535))
"""


def run(*argv):
    subprocess.run(argv, check=True)


def namespace():
    """Return a process in a network of its own."""
    process = subprocess.Popen(["unshare", "--net", "sleep", "60"])
    ours = Path("/proc/self/ns/net").readlink()
    end = time.monotonic() + SECONDS
    while Path(f"/proc/{process.pid}/ns/net").readlink() == ours and time.monotonic() < end:
        pass
    return process


def plug(process, port, bridge, mtu, address):
    pid = str(process.pid)
    run("ip", "link", "add", port, "master", bridge, "mtu", mtu, "up",
        "type", "veth", "peer", "name", "data0", "mtu", mtu, "netns", pid)  # fmt: skip
    inside = ("nsenter", "-t", pid, "-n")
    run(*inside, "ip", "address", "add", f"{address}/24", "dev", "data0")
    run(*inside, "ip", "link", "set", "data0", "up")
    return (*inside, sys.executable, "-c")


def main():
    """Plug both in, let them talk, and take them out again."""
    network, mtu, *bridges = sys.argv[1:]
    near, far = f"{network}.201", f"{network}.202"
    both = [namespace(), namespace()]
    ports = ["soak0", "soak1"]
    try:
        places = zip(both, ports, bridges, (near, far), strict=True)
        one, other = [plug(where, port, bridge, mtu, ip) for where, port, bridge, ip in places]
        hears = subprocess.Popen([*other, HEAR, str(SECONDS)])
        run(*one, SEND, far, str(int(mtu) - HEADERS), str(SECONDS))
        sys.exit(hears.wait())
    finally:
        for port in ports:
            subprocess.run(["ip", "link", "delete", port], stderr=subprocess.DEVNULL, check=False)
        for process in both:
            process.kill()
            process.wait()


main()
