"""A login's way through a program: what it printed is known, in whatever order threads ask."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.connections.shell.proxy import Proxy
from farswitch.deadline import Deadline, wait_until

WORDS = "no way to the host"


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """One whose program has printed its words, and waits."""
    proxy = Proxy(["sh", "-c", f"echo {WORDS} >&2; echo; exec cat"])
    assert proxy.recv(1) == b"\n"
    yield proxy
    proxy.close()


def test_errors_that_are_being_read_are_whole_though_another_thread_closes(proxy, monkeypatch):
    reads, go = threading.Event(), threading.Event()
    pread = os.pread

    def interrupted(number: int, size: int, start: int) -> bytes:
        if not reads.is_set():
            reads.set()
            assert go.wait(20)
        return pread(number, size, start)

    monkeypatch.setattr(os, "pread", interrupted)
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(proxy.errors)
        assert reads.wait(20)
        closed = pool.submit(proxy.close)
        ended = Deadline(20)
        wait_until(lambda: proxy._process.returncode is not None, ended, what="The program's end")
        go.set()
        assert asked.result(20) == WORDS
        closed.result(20)
    assert proxy.errors() == WORDS


def test_errors_are_known_after_any_number_of_closes(proxy):
    with ThreadPoolExecutor(4) as pool:
        for closed in [pool.submit(proxy.close) for _ in range(4)]:
            closed.result(20)
    assert proxy.errors() == WORDS


def test_what_a_local_process_prints_at_its_end_is_known():
    process = LocalShell("here").start(["sh", "-c", f"read -r _; echo {WORDS} >&2"])
    process.close()
    assert process.stderr_tail() == f"{WORDS}\n"
