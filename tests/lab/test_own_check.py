"""A script of docs/extend.md: a check of one's own, beside those of verify."""

from __future__ import annotations

import json

import pytest

from tests.documented import run_script
from tests.lab.clusters import ClusterUnderTest
from tests.schemas import assert_fits

pytestmark = [pytest.mark.lab, pytest.mark.root]


def test_a_check_of_ones_own_is_made_with_the_others(built: ClusterUnderTest, tmp_path) -> None:
    words = ["--site", str(built.site), "--only", "server.clock,server.bridges", "--json"]
    done = run_script("verify_clocks.py", tmp_path, *words, XDG_STATE_HOME=str(built.state))
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert_fits("verify", document)
    made = {(check["name"], check["host"]) for check in document["checks"]}
    assert {("server.clock", "server1"), ("server.clock", "server2")} <= made
    assert ("server.bridges", "server2") in made
