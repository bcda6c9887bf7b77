"""Programs that own a table of nft, as firewalld does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from farswitch.connections.shell.local import LocalShell

PERSISTENT = """
import socket, struct, sys
def attribute(kind, content):
    data = struct.pack("=HH", 4 + len(content), kind) + content
    return data + bytes(-len(data) % 4)
def nested(kind, *parts):
    return attribute(kind | 0x8000, b"".join(parts))
def number(value):
    return struct.pack("!I", value)
def message(kind, flags, family, resource, *parts):
    body = struct.pack("=BBH", family, 0, socket.htons(resource)) + b"".join(parts)
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body
kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
kernel.bind((0, 0))
INET, TABLES = 1, 10 << 8
hook = nested(4, attribute(1, number(1)), attribute(2, number(0)))
kernel.send(b"".join([
    message(0x10, 1, 0, 10),
    message(TABLES, 0x405, INET, 0, attribute(1, b"kept\\0"), attribute(2, number(6))),
    message(TABLES | 3, 0x405, INET, 0, attribute(1, b"kept\\0"), attribute(3, b"in\\0"), hook,
            attribute(5, number(0)), attribute(7, b"filter\\0")),
    message(0x11, 1, 0, 10),
]))
answer = kernel.recv(4096)
print(struct.unpack_from("=i", answer, 16)[0], flush=True)
sys.stdin.read()
"""
"""Makes `table inet kept { flags owner, persist; }` with a chain that drops what comes in."""


@contextmanager
def owned(box: LocalShell, rules: str, program: str | Path = "nft") -> Iterator[int]:
    """Let a process in a box's network own tables, and yield its id; it ends with the block."""
    argv = [*box.prefix, str(program), "-i"]
    names = [words.split()[2:4] for words in rules.splitlines() if words.startswith("add table")]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=subprocess.DEVNULL, text=True) as owner:
        assert owner.stdin is not None
        try:
            owner.stdin.write(f"{rules}\nadd table inet {program_mark(owner.pid)}\n")
            owner.stdin.flush()
            wait_for(box, owner.pid)
            assert names
            yield owner.pid
        finally:
            owner.kill()
            owner.wait()


def program_mark(pid: int) -> str:
    """Return the name of the table that says that a process has done the rest."""
    return f"done{pid}"


def wait_for(box: LocalShell, pid: int) -> None:
    """Wait until a process has made its last table, and take that away."""
    argv = ("nft", "delete", "table", "inet", program_mark(pid))
    while box.run(argv, check=False).status != 0:
        assert os.path.exists(f"/proc/{pid}")  # noqa: PTH110


@contextmanager
def persistent(box: LocalShell) -> Iterator[int]:
    """Let a process own a table that outlives it, and yield its id."""
    argv = [*box.prefix, "python3", "-c", PERSISTENT]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as owner:
        assert owner.stdin is not None
        assert owner.stdout is not None
        try:
            assert owner.stdout.readline() == "0\n"
            yield owner.pid
        finally:
            owner.stdin.close()
            owner.wait()
