"""What `make install` leaves on the screen: what it does, and where it fails the log's name."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from farswitch.site.loader import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with the Makefile, in which nothing is to be installed but by `pip`."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements/build.txt", "requirements/constraints.txt", "pyproject.toml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    program(tmp_path / "farswitch/lab/install.sh", "exit 0")
    return tmp_path


def program(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="ascii")
    path.chmod(0o755)


def install(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", "install", "PYTHON=true"],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_what_pip_prints_goes_to_the_log(project: Path):
    program(project / ".venv/bin/pip", 'echo "Collecting many things: $*"')
    done = install(project)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Installing Python's packages into .venv\n"
    assert (project / ".venv/install.log").read_text().count("Collecting many things") == 3
    assert "Installing" not in install(project).stdout


def test_a_failure_of_pip_ends_it_and_names_the_log(project: Path):
    program(project / ".venv/bin/pip", "seq 20; echo no matching distribution >&2; exit 1")
    done = install(project)
    assert done.returncode != 0
    assert "no matching distribution\npip failed; all that it printed is in .venv" in done.stderr
    assert "\n15\n" not in done.stderr
    assert not (project / ".venv/.ready").exists()
    assert install(project).returncode != 0
