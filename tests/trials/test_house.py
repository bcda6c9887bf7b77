"""`make trial-house`: the code since an earlier commit, against that commit.

A cluster that the earlier commit built is converged, verified and torn down clean by this one,
and `make demo` takes no longer than it did. The commit is $BEFORE.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farswitch.lab.addresses import Lab
from tests.lab.clusters import ROOT, ClusterUnderTest
from tests.lab.comparison import compare, observe, settle
from tests.own_lab import WITH_GUESTS, own_lab

pytestmark = [pytest.mark.trial, pytest.mark.lab, pytest.mark.root]

BEFORE = os.environ.get("BEFORE", "9346752")
"""The last commit whose machinery stood in folders of the top level."""
ROUNDS = int(os.environ.get("ROUNDS", "3"))
"""How often each demo is run, in turns."""
ASKED_SINCE = {"guest.nfs", "nfs.mount", "server.guard", "server.drift"}
"""Checks that want more than that commit gave: a share in which files are seen at once, and a guard
whose rules cost less. The next build gives it."""
RAISE = """
import sys
from ipaddress import IPv4Network
from lab import control
from lab.addresses import Lab
name, controller, underlay = sys.argv[1:]
control.up(Lab(name, IPv4Network(controller), IPv4Network(underlay)))
"""


def run(folder: Path, *argv: str, **environment: str) -> str:
    """Run a program in a checkout, which must end well, and return what it printed."""
    ended = subprocess.run(
        argv, cwd=folder, env=os.environ | environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=1800, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, (
        f"{argv} in {folder}: {ended.stdout[-4000:]}{ended.stderr[-4000:]}"
    )
    return ended.stdout


def checkout(folder: Path, commit: str) -> Path:
    """Return a fresh clone of a commit with its packages installed."""
    run(ROOT, "git", "clone", "--quiet", "--no-checkout", str(ROOT), str(folder))
    run(folder, "git", "checkout", "--quiet", "--detach", commit)
    run(folder, "make", "install")
    return folder


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout of the earlier commit."""
    return checkout(tmp_path_factory.mktemp("before") / "farswitch", BEFORE)


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout of this commit."""
    return checkout(tmp_path_factory.mktemp("after") / "farswitch", "HEAD")


@pytest.fixture
def lab() -> Iterator[Lab]:
    with own_lab("fsh", WITH_GUESTS) as lab:
        yield lab


def test_a_cluster_of_the_earlier_commit_is_verified_and_torn_down_clean(
    before: Path, lab: Lab, tmp_path: Path
) -> None:
    python = str(before / ".venv/bin/python")
    run(before, python, "-c", RAISE, lab.name, str(lab.control), str(lab.underlay))
    settle(lab)
    untouched = observe(lab)
    cluster = ClusterUnderTest("fsh", 8601, "10.92.0", "10.92.1", lab, tmp_path, size=3)
    cluster.write_site()
    site = ("--site", str(cluster.site), "--json")
    run(before, python, "-m", "workflows.build", *site, XDG_STATE_HOME=str(cluster.state))

    not_passed = cluster.run("verify").failed_checks()
    assert {one["name"] for one in not_passed if one["ok"] is False} <= ASKED_SINCE
    left_out = {one["name"] for one in not_passed if one["ok"] is None}
    assert left_out <= {"nfs.write", "nfs.read", "nfs.squash"}, "all for nfs.mount"
    cluster.good("build")
    proof = cluster.good("verify", "--attack", "--control")
    assert proof.failed_checks() == []
    assert cluster.good("build").changed == 0
    assert cluster.good("build", "--nodes", "4").changed > 0
    assert cluster.good("verify").failed_checks() == []
    assert cluster.good("teardown").changed > 0
    assert compare(untouched, observe(lab)) == []


def test_demo_takes_no_longer(
    before: Path, after: Path, record_property: Callable[[str, object], None]
) -> None:
    """The figures go into the summary; the machine is too noisy for a limit."""
    seconds: dict[Path, list[float]] = {before: [], after: []}
    for _ in range(ROUNDS):
        for folder, taken in seconds.items():
            start = time.monotonic()
            run(folder, "make", "demo")
            taken.append(time.monotonic() - start)
            run(folder, "make", "down")
    old, new = (statistics.median(taken) for taken in seconds.values())
    shown = [[round(one, 1) for one in taken] for taken in seconds.values()]
    record_property(
        "figure", f"make demo, {ROUNDS} rounds in turns: {shown[0]} s before, {shown[1]} s now; "
        f"ratio of medians {new / old:.2f}"
    )  # fmt: skip
