"""The end of a cluster: both servers are as they were. The last of its files to run."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from farswitch.lab import control
from farswitch.lab.run import run
from tests.lab.clusters import ClusterUnderTest

pytestmark = [pytest.mark.lab, pytest.mark.root]

Leftovers = Callable[[], list[str]]


@pytest.fixture
def standing(built: ClusterUnderTest, leftovers: Leftovers) -> list[str]:
    """Return by how much the servers differ while the cluster stands."""
    built.good("build", "--nodes", "3")
    return leftovers()


def settled(lines: list[str]) -> list[str]:
    """Return what running guests do not change: their disks and logs go on."""
    return [line for line in lines if "+files " not in line]


def test_teardown_gives_both_servers_back_as_they_were(
    built: ClusterUnderTest, standing: list[str], leftovers: Leftovers
) -> None:
    for part in ("links", "settings", "files", "machines", "processes", "rules", "addresses"):
        assert any(f"+{part} " in line for line in standing), f"{part} are compared"
    told = built.good("teardown", "--dry-run")
    assert told.changed > 0
    assert settled(leftovers()) == settled(standing), "a dry run touches nothing"
    done = built.good("teardown")
    assert done.changed == told.changed
    assert "\n".join(leftovers()) == ""
    again = built.good("teardown")
    assert again.changed == 0
    assert "\n".join(leftovers()) == ""
    assert not (built.state / "farswitch/clusters" / built.name).exists()


def test_lab_that_ends_leaves_nothing(built: ClusterUnderTest) -> None:
    lab = built.lab
    built.good("build", "--nodes", "1")
    assert control.down(lab)
    names = {one["ifname"] for one in json.loads(run(["ip", "-j", "link"]))}
    assert lab.name not in names
    assert not any(name.startswith(("fsd5", "fsm5", "fsb5", "fss5", "fsv5")) for name in names)
    assert [folder for folder in (lab.state, lab.run) if folder.exists()] == []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            text = (process / "cmdline").read_text(errors="replace")
            text += (process / "mounts").read_text(errors="replace")
        except OSError:
            continue
        assert f"/{lab.name}/" not in text, process
    gone = built.good("teardown")
    assert gone.changed == 0
