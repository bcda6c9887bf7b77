"""A cluster's studies: the commands as a user types them, and what they leave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.lab.clusters import ROOT, ClusterUnderTest
from tests.schemas import assert_fits

LONGEST = 60 * 60.0


def argv(cluster: ClusterUnderTest, *words: str) -> list[str]:
    """Return the command as a user types it."""
    site = ["--site", str(cluster.site)] if words[0] in {"run", "resume", "plan"} else []
    return [sys.executable, "-m", "workflows.study", *words, *site, "--json"]


def studied(cluster: ClusterUnderTest, *words: str, statuses: tuple[int, ...] = (0,)) -> Any:
    """Run a command of a study to its end, and return its document."""
    done = subprocess.run(
        argv(cluster, *words), cwd=ROOT, env=cluster.environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=LONGEST, check=False,
    )  # fmt: skip
    print(done.stderr)
    assert done.returncode in statuses, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert_fits("study", document)
    return document


def finished(cluster: ClusterUnderTest, word: str, study: Path, *, again: int = 2) -> Any:
    """Run a study to its end: a cell that a busy machine did not prove in time is tried again."""
    document = studied(cluster, word, str(study), statuses=(0, 1))
    for _ in range(again):
        if not document["complete"]:
            document = studied(cluster, "resume", str(study), statuses=(0, 1))
    assert document["complete"]
    return document


def killed(cluster: ClusterUnderTest, *words: str, after: float) -> None:
    """Begin a command of a study, and kill it after so many seconds, if it has not ended."""
    with subprocess.Popen(
        argv(cluster, *words), cwd=ROOT, env=cluster.environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)


def results(cluster: ClusterUnderTest, name: str) -> list[dict[str, Any]]:
    """Return the runs that a study has kept."""
    path = cluster.state / "farswitch/studies" / name / "results.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
