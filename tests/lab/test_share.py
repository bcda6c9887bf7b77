"""The share as jobs use it: what one node does there, all others see at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lab.clusters import ClusterUnderTest
from tests.lab.guests import mpiexec

pytestmark = [pytest.mark.lab, pytest.mark.root]
PROGRAM = Path(__file__).with_name("seen_at_once.py")
ACTIMEO = 1
"""Seconds for which what is known of an open file may be old; a look takes its time beside."""


@pytest.mark.parametrize("ranks", [(2, 3), (1, 2), (2, 1)], ids=["others", "of-head", "to-head"])
def test_what_a_node_does_in_the_share_is_seen_at_once_by_another(
    built: ClusterUnderTest, ranks: tuple[int, int]
) -> None:
    head = built.guest(1)
    head.good("cat >/shared/seen_at_once.py", stdin=PROGRAM.read_text())
    job = mpiexec([built.guest(number) for number in ranks], "python3 /shared/seen_at_once.py")
    told = json.loads(head.good(job))
    head.good("rm /shared/seen_at_once.py")
    assert told["missed"] == {}
    assert told["oldest"] < ACTIMEO + 2
