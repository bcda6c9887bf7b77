"""Every command of the documents that needs a cluster is typed, and does what they show.

A part of `make trial-sight`: it takes minutes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.documented import Block, Command, blocks, type_in
from tests.lab.clusters import ROOT, ClusterUnderTest
from tests.own_lab import FAILED

pytestmark = [pytest.mark.trial, pytest.mark.lab, pytest.mark.root]
SECONDS = 600.0
A_BUILD = "20261129T100000Z-build-lab"
"""The run that the documents compare with."""
OWN_SITE = " --site mysite"
"""How the documents name it where the lab is not meant; here it is the same."""


@dataclass(frozen=True, slots=True)
class UsersFolder:
    """A checkout's folder as a reader has it, whose site is the cluster under test."""

    cluster: ClusterUnderTest
    path: Path
    typed: set[tuple[str, str, int]] = field(default_factory=set)

    @property
    def environment(self) -> dict[str, str]:
        config = str(self.path / "config.yaml")
        return {"XDG_STATE_HOME": str(self.cluster.state), "FARSWITCH_CONFIG": config}

    def of_this_cluster(self, text: str) -> str:
        """Return a text of the documents with this cluster's names for those of the lab's."""
        state = self.cluster.state / "farswitch"
        text = text.replace("~/.local/state/farswitch/clusters/lab/", f"{self._logins}/")
        text = text.replace("10.0.0.", f"{self.cluster.data}.")
        text = re.sub(
            r"(?<=farswitch[:_])lab\b|\blab(?=-node)|(?<=')lab(?=')", self.cluster.name, text
        )
        vni = self.cluster.vni // 10
        text = re.sub(r"\b(fs[bdgmsv]|VNI )4(\d)\b", rf"\g<1>{vni}\2", text)
        if A_BUILD in text:
            text = text.replace(A_BUILD, min(state.glob("runs/*-build-*")).stem)
        return text

    def type_in(self, command: Command, host: str) -> None:
        """Type a command, on a host of the cluster where one is named.

        One that only looks, and was typed before, is not typed again: unless its output is shown,
        or it ends otherwise.
        """
        words = shlex.split(command.line.replace(OWN_SITE, ""), comments=True)
        known = (host, shlex.join(words), command.status)
        if known in self.typed and command.printed is None and words[1:] != ["build"]:
            return
        self.typed.add(known)
        there = self.of_this_cluster(command.line)
        if host:
            there = shlex.join(["ssh", "-F", f"{self._logins}/ssh_config", host, there])
        done = type_in(replace(command, line=there), self.path, SECONDS, **self.environment)
        assert done.returncode == command.status, f"{there}: {done.stdout}{done.stderr}"
        if command.printed:
            shown = Command("", tuple(map(self.of_this_cluster, command.printed)))
            assert shown.has_printed(done.stdout, figures=False), f"{there}: {done.stdout}"

    @property
    def _logins(self) -> Path:
        return self.cluster.state / "farswitch/clusters" / self.cluster.name


@pytest.fixture(scope="module")
def folder(built: ClusterUnderTest, tmp_path_factory: pytest.TempPathFactory) -> UsersFolder:
    path = tmp_path_factory.mktemp("user")
    (path / ".venv").symlink_to(ROOT / ".venv")
    (path / "inventory").mkdir()
    (path / "inventory/mysite").symlink_to(built.site)
    (path / "config.yaml").write_text(f"inventory: {{options: {{site: {built.site}}}}}\n")
    return UsersFolder(built, path)


@pytest.fixture
def reader(folder: UsersFolder, request: pytest.FixtureRequest) -> Iterator[UsersFolder]:
    """The folder; after a test that failed half-way the cluster is repaired."""
    yield folder
    if request.node.stash.get(FAILED, False):
        folder.cluster.good("build")


@pytest.mark.parametrize("block", [block for block in blocks() if block.of_cluster], ids=str)
def test_commands_on_a_cluster_do_what_is_shown(block: Block, reader: UsersFolder) -> None:
    for command in block.commands():
        reader.type_in(command, block.value if block.mark == "on" else "")
