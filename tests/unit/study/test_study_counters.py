"""What ports have counted is never that of an earlier look, and no proof where nothing was read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from farswitch.model.cluster import cluster
from farswitch.site.loader import ROOT, load_site
from farswitch.study.host_state import HostState
from workflows.study_counters import port_counts, states, uncounted

CLUSTER = cluster(load_site(str(ROOT / "inventory/lab")), None)
GUESTS = CLUSTER.guests[:2]


class Session:
    """A session whose switch server answers a look, or does not any more."""

    cluster = CLUSTER

    def __init__(self) -> None:
        self.recorder = SimpleNamespace(results={}, failures=[])
        self.bytes: int | None = 0

    def run(self, _stages: Any) -> bool:
        if self.bytes is None:
            self.recorder.failures.append(SimpleNamespace(error="No answer."))
            return False
        traffic = {guest.tunnel: (self.bytes, self.bytes, 0) for guest in GUESTS}
        found = HostState(traffic=traffic, retransmitted=0)
        self.recorder.results["host_state", CLUSTER.switch.name] = found
        return True


def counted(session: Any, *looks: int | None) -> str:
    found = []
    for session.bytes in looks:
        found.append(states(session, GUESTS))
    return uncounted(session, GUESTS, port_counts(session, GUESTS, *found))


def test_what_was_read_twice_is_counted():
    assert counted(Session(), 0, 70) == ""


def test_what_was_not_read_is_said():
    said = "What crossed the ports of node[1-2] was not counted. No answer."
    assert counted(Session(), 0, None) == said
    assert counted(Session(), None, 70) == said
