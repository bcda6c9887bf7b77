"""A cluster beside busy loops, with a guest that stands still, and a stopped controller."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from farswitch.lab import control
from farswitch.lab.addresses import Lab
from tests.busy import busy
from tests.lab.clusters import ClusterUnderTest
from tests.own_lab import WITH_GUESTS, own_lab

pytestmark = [pytest.mark.trial, pytest.mark.lab, pytest.mark.root]

LOOPS = 4
STILL = 6.0
"""Seconds that somebody stands still: less than any lock, keepalive or timer bears."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with own_lab("fsl", WITH_GUESTS) as lab:
        control.up(lab)
        yield lab


@pytest.fixture(scope="module")
def cluster(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """Return a cluster that was built beside the loops."""
    folder = tmp_path_factory.mktemp("load")
    cluster = ClusterUnderTest("fsl", 8701, "10.93.0", "10.93.1", lab, folder)
    cluster.write_site()
    with busy(LOOPS):
        cluster.good("build")
    yield cluster
    cluster.run("teardown")


def test_nothing_fails_beside_busy_loops(cluster: ClusterUnderTest) -> None:
    with busy(LOOPS):
        assert cluster.good("verify", "--attack", "--control").failed_checks() == []
        assert cluster.good("build").changed == 0


def test_a_guest_that_stands_still_for_a_while_is_slow_and_not_at_fault(
    cluster: ClusterUnderTest,
) -> None:
    send = "kill -s $1 $(cat /run/libvirt/qemu/*node2*.pid)"

    def stand_still() -> None:
        cluster.on("server1", ["sh", "-c", send, "send", "STOP"])
        time.sleep(STILL)
        cluster.on("server1", ["sh", "-c", send, "send", "CONT"])

    pause = threading.Timer(4.0, stand_still)
    pause.start()
    run = cluster.good("verify")
    pause.join()
    assert run.failed_checks() == []


def test_a_controller_that_is_stopped_blames_nobody(cluster: ClusterUnderTest) -> None:
    with cluster.start("verify", "--json", stdout=subprocess.PIPE, stderr=None, text=True) as run:
        time.sleep(8.0)
        run.send_signal(signal.SIGSTOP)
        time.sleep(STILL)
        run.send_signal(signal.SIGCONT)
        document = json.loads(run.communicate(timeout=600)[0])
    assert [check for check in document["checks"] if not check["ok"]] == []
    assert any("This program itself was stopped for" in note for note in document["notes"])


def test_logs_have_nothing_to_warn_of(cluster: ClusterUnderTest) -> None:
    logs = list(Path(cluster.state).rglob("*.log"))
    assert logs
    assert [log for log in logs if " WARNING " in log.read_text()] == []
