"""A test that fails leaves its lab, namespace and sshd to no other test, and to nobody else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFTEST = """\
from tests.conftest import announced_log, pace_of_its_own, pytest_runtest_makereport
from tests.lab_containers.conftest import lab, own_lab
from tests.netns.conftest import machine
from tests.ssh.conftest import make_sshd, separation, sshd
"""
SPOILED = """\
import json, os
from pathlib import Path
from farswitch.lab import container, control

def test_spoils(lab, machine, sshd):
    machine.run(["ip", "link", "add", "spoiled", "type", "bridge"])
    container.execute(container.find(lab)["server2"], ["touch", "/etc/spoiled"])
    container.kill(lab, "server1")
    left = {{"lab": lab.name, "namespace": machine.prefix[3], "sshd": sshd.process.pid}}
    Path("{noted}").write_text(json.dumps(left))
    assert False, "on purpose"

def test_next(lab, machine):
    members = container.find(lab)
    assert sorted(members) == ["server1", "server2"]
    container.execute(members["server2"], ["test", "!", "-e", "/etc/spoiled"])
    assert "spoiled" not in machine.run(["ip", "link"]).stdout
"""


@pytest.mark.root
def test_a_failed_test_spoils_no_other_and_leaves_nothing(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    noted = tmp_path / "noted"
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_spoiled.py").write_text(SPOILED.format(noted=noted))
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", str(ROOT / "pyproject.toml"),
         "--rootdir", str(tmp_path), str(tmp_path / "test_spoiled.py")],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert re.search(r"1 failed, 1 passed", ended.stdout), ended.stdout
    assert "on purpose" in ended.stdout, ended.stdout
    left = json.loads(noted.read_text())
    assert not Path(f"/proc/{left['sshd']}").exists()
    assert not Path(f"/run/netns/{left['namespace']}").exists()
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert f" {left['lab']} " not in processes.stdout
    links = subprocess.run(["ip", "link"], capture_output=True, text=True, check=True).stdout
    assert left["lab"] not in links
    assert not list(Path("/run").glob(f"*/{left['lab']}"))
