"""The part of a build that servers have: a program for it, and what a run of it gave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.clusters import ROOT, ClusterUnderTest, assert_quiet, logs


@dataclass(frozen=True, slots=True)
class Served:
    """How a run ended, and what it said."""

    status: int
    said: str
    document: dict[str, Any]

    @property
    def changed(self) -> int:
        assert self.status == 0, self.said
        return int(self.document["changed"])


def cycle(cluster: ClusterUnderTest, count: int) -> Served:
    """Run cycles of build and teardown without guests; with 0 a build alone."""
    program, before = Path(__file__).with_name("cycles.py"), logs(cluster.folder)
    done = subprocess.run(
        [sys.executable, str(program), str(cluster.site), str(cluster.folder / "log"), str(count)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(cluster.state)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    if done.returncode == 0:
        assert_quiet(cluster.folder, before)
    last = done.stdout.splitlines()[-1] if done.returncode == 0 else "{}"
    return Served(done.returncode, done.stdout + done.stderr, json.loads(last))


def build_servers(cluster: ClusterUnderTest) -> Served:
    """Build all that servers have, and no guest."""
    return cycle(cluster, 0)
