"""A script of docs/extend.md: a stage of one's own in a build with real guests."""

from __future__ import annotations

import pytest

from tests.documented import run_script
from tests.lab.clusters import ClusterUnderTest

pytestmark = [pytest.mark.lab, pytest.mark.root]
SERVERS = ("server1", "server2")


@pytest.fixture
def built_with_motd(built: ClusterUnderTest):
    """The cluster; its servers get their message of the day back."""
    with built.keeping("/etc/motd"):
        yield built


def test_a_stage_of_ones_own_is_part_of_a_build_and_idempotent(built_with_motd, tmp_path):
    cluster, state = built_with_motd, {"XDG_STATE_HOME": str(built_with_motd.state)}
    first, second = (
        run_script("build_and_tell.py", tmp_path, str(cluster.site), seconds=400, **state)
        for _ in range(2)
    )
    assert first.returncode == 0, first.stdout + first.stderr
    assert "~ /etc/motd" in first.stdout
    assert f", {len(SERVERS)} changed.\n" in first.stdout
    for server in SERVERS:
        assert cluster.on(server, ["cat", "/etc/motd"]) == f"Carries cluster {cluster.name}.\n"
    assert second.returncode == 0, second.stdout + second.stderr
    assert "/etc/motd" not in second.stdout
