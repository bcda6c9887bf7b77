"""What real guests send each other is counted at the ports of the switch, and nothing is left."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
from pathlib import Path

import pytest

from farswitch.deadline import Deadline, wait_until
from tests.lab.clusters import ClusterUnderTest
from tests.lab.counted import ALLTOALL, BLOCK, ROUNDS, assert_exact, assert_ranks
from tests.schemas import assert_fits

pytestmark = [pytest.mark.lab, pytest.mark.root]
RING = "python3 /usr/local/lib/farswitch/ring.py 1 1000000"


def counts(cluster: ClusterUnderTest) -> bool:
    """Return whether the table that counts is there."""
    tables = cluster.on("server2", ["nft", "list", "tables"])
    return f"table netdev farswitch_{cluster.name}" in tables


def test_an_alltoall_is_counted_to_the_byte(built: ClusterUnderTest, tmp_path: Path) -> None:
    built.guest(1).good("cat >/shared/alltoall.py", stdin=ALLTOALL)
    files = [tmp_path / "pairs.csv", tmp_path / "matrix.svg"]
    words = ("mpiexec.mpich", "-np", "3", "python3", "/shared/alltoall.py")
    run = built.good("matrix", "--csv", str(files[0]), "--svg", str(files[1]), "--", *words)
    found = run.document["matrix"]
    assert_ranks(run.document)
    assert_exact(found, payload=BLOCK * ROUNDS)
    rows = list(csv.DictReader(files[0].read_text().splitlines()))
    assert sum(int(row["bytes"]) for row in rows) == sum(one["bytes"] for one in found["pairs"])
    assert "node3 to node1: " in files[1].read_text()
    assert run.document["command"] == " ".join(words)
    assert (run.changed, counts(built)) == (2, False)


@pytest.mark.trial
def test_a_command_that_fails_is_counted_and_fails_the_run(built: ClusterUnderTest) -> None:
    run = built.run("matrix", "--", f"mpiexec.mpich -np 3 {RING}; exit 3")
    assert run.status == 1
    assert run.errors == "The command ended with 3."
    assert_exact(run.document["matrix"], payload=0)


@pytest.mark.trial
def test_a_watch_prints_lines_and_a_killed_one_leaves_nothing(built: ClusterUnderTest) -> None:
    words = ("--json", "--watch", "--interval", "0.5")
    with built.start("matrix", *words, stdout=subprocess.PIPE) as watch:
        try:
            assert watch.stdout
            first = json.loads(watch.stdout.readline())
            assert_fits("matrix-watch", first)
            refused = built.run("matrix", "--for", "1")
            assert (refused.status, "is being counted on 'server2'" in refused.said) == (1, True)
            built.guest(1).root("ping -c 3 -i 0.2 -s 1000 -q 10.98.0.13")

            def pinged() -> bool:
                line = json.loads(watch.stdout.readline())
                return any(
                    (pair["from"], pair["to"]) == ("node3", "node1") and pair["bytes"] >= 1028
                    for pair in line["pairs"]
                )

            wait_until(pinged, Deadline(60), what="A line with the pings", interval=0.0)
        finally:
            watch.send_signal(signal.SIGKILL)
    wait_until(lambda: not counts(built), Deadline(30), what="The table's end")
