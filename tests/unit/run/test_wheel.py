"""What a wheel installs, and that it works from an empty folder, far from a checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from farswitch.__main__ import COMMANDS
from farswitch.site.loader import ROOT
from tasks.checks import probes

PACKAGES = ("farswitch", "tasks", "workflows")
SOURCES = (*PACKAGES, "inventory", "pyproject.toml", "README.md", "LICENSE")
NO_BYTECODE = shutil.ignore_patterns("__pycache__")
Run = Callable[..., subprocess.CompletedProcess[str]]


def pip(*arguments: str | Path, cwd: Path) -> None:
    argv = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel of the sources, which are left as they are."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=NO_BYTECODE)
        else:
            shutil.copy(ROOT / name, source)
    pip("wheel", "--no-index", "--no-deps", "--no-build-isolation", "-w", folder, ".", cwd=source)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def run(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return what runs a program of the installed wheel in an empty folder."""
    installed = tmp_path_factory.mktemp("installed")
    pip("install", "--no-index", "--no-deps", "--target", installed, wheel, cwd=installed)
    empty = tmp_path_factory.mktemp("empty")
    environment = {name: text for name, text in os.environ.items() if name != "FARSWITCH_CONFIG"}
    environment |= {"PYTHONPATH": str(installed), "XDG_STATE_HOME": str(empty)}

    def start(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-c", program]
        if program == "farswitch":
            argv = [str(installed / "bin/farswitch")]
        return subprocess.run(
            [*argv, *arguments],
            cwd=empty, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return start


def test_a_wheel_has_three_top_level_names_and_its_metadata(wheel: Path):
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert len(tops) == len(PACKAGES) + 1


def test_a_wheel_has_every_file_of_its_packages(wheel: Path):
    wanted = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    wanted |= {
        f"farswitch/site/sites/{path.relative_to(ROOT / 'inventory')}"
        for site in ("lab", "example")
        for path in (ROOT / "inventory" / site).iterdir()
    }
    names = zipfile.ZipFile(wheel).namelist()
    assert {name for name in names if ".dist-info/" not in name} == wanted


def test_an_installed_wheel_has_every_command(run: Run):
    ended = run("farswitch", "--help")
    assert [name for name in COMMANDS if f"\n  {name} " not in ended.stdout] == []
    assert run("farswitch", "--version").stdout.startswith("farswitch, version ")


def test_an_installed_wheel_names_every_check(run: Run):
    ended = run("farswitch", "verify", "--list")
    names = [line.split()[0] for line in ended.stdout.splitlines()]
    assert names == [name for probe in probes() for name in probe.checks], ended.stderr


def test_an_installed_wheel_has_the_lab_for_its_site(run: Run):
    program = """\
import json
from farswitch.run.configuration import configuration
from farswitch.site.find import find_site
from farswitch.site.loader import load_site
chosen = configuration(None, None, None)
name = chosen["inventory"]["options"]["site"]
site, folder = load_site(name), find_site(name)
print(json.dumps([site.name, str(folder), site.lab is not None, chosen["runner"]]))
"""
    ended = run(program)
    assert ended.returncode == 0, ended.stderr
    name, folder, is_lab, runner = json.loads(ended.stdout)
    assert (name, is_lab) == ("lab", True)
    assert folder.endswith("/farswitch/site/sites/lab")
    assert not Path(folder).is_relative_to(ROOT)
    assert runner == {"plugin": "threaded", "options": {"num_workers": 32}}


def test_nornir_finds_the_plugins_of_an_installed_wheel(run: Run):
    program = """\
from nornir import InitNornir
nornir = InitNornir(
    inventory={"plugin": "FarswitchInventory", "options": {"site": "lab"}},
    logging={"enabled": False},
)
print(*nornir.inventory.hosts)
"""
    ended = run(program)
    assert ended.stdout.split()[:2] == ["server1", "server2"], ended.stderr


def test_tasks_of_a_wheel_are_found_whatever_else_is_called_tasks(run: Run):
    program = """\
import sys, types
sys.modules["tasks"] = types.ModuleType("tasks")
from farswitch.tasks.bridge import bridge
print(bridge.__code__.co_filename)
"""
    ended = run(program)
    assert ended.stdout.endswith("/tasks/bridge.py\n"), ended.stderr
    assert not Path(ended.stdout).is_relative_to(ROOT)


def test_a_wrong_site_ends_with_2_also_from_a_wheel(run: Run):
    ended = run("farswitch", "build", "--site", "nowhere")
    assert ended.returncode == 2
    assert "'nowhere' is no site" in ended.stderr
    assert "sites/lab" in ended.stderr


def test_an_installed_wheel_writes_a_site_that_it_finds_by_name(run: Run):
    servers = ("--server1", "198.18.0.1", "--server2", "198.18.0.2")
    ended = run("farswitch", "site", "new", "mine", *servers, "--user", "operator")
    assert ended.returncode == 0, ended.stderr
    assert "farswitch preflight --site mine" in ended.stdout
    program = """\
from farswitch.site.loader import load_site
site = load_site("mine")
print(*(f"{server.user}@{server.hostname}" for server in (*site.hypervisors, site.switch)))
"""
    ended = run(program)
    assert ended.stdout.split() == ["operator@198.18.0.1", "operator@198.18.0.2"], ended.stderr
    again = run("farswitch", "site", "new", "mine", *servers, "--json")
    assert again.returncode == 2
    (failure,) = json.loads(again.stdout)["failures"]
    assert failure["error"] == "'inventory/mine' exists: a new site needs a folder of its own."
