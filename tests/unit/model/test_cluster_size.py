"""What a run is about: how many guests, and which switch, of which the cluster's record knows."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path

import pytest

from farswitch.model.cluster import cluster
from farswitch.run import session
from farswitch.run.cli import Options
from farswitch.site.loader import ROOT, load_site
from farswitch.state.record import Record, SwitchInUse, complete

LAB = str(ROOT / "inventory/lab")
RECORD = complete(None, cluster(load_site(LAB)), 3)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[str]:
    yield str(tmp_path / "log")
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, RotatingFileHandler)]:
        root.removeHandler(handler)
        handler.close()


@dataclass(frozen=True)
class Case:
    wanted: int
    nodes: int | None = None
    record: Record | None = None
    build: bool = True


FIVE = RECORD.model_copy(update={"nodes": 5})
CASES = {
    "a-new-cluster-has-the-sites-size": Case(3),
    "a-new-cluster-of-another-size": Case(5, nodes=5),
    "a-size-is-remembered": Case(5, record=FIVE),
    "the-command-line-comes-first": Case(2, nodes=2, record=FIVE),
    "a-site-that-was-edited-since-counts": Case(3, record=FIVE.model_copy(update={"site": 4})),
    "what-was-built-is-verified": Case(5, record=FIVE.model_copy(update={"site": 4}), build=False),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_size_of_a_cluster(monkeypatch: pytest.MonkeyPatch, log: str, case: Case):
    monkeypatch.setattr(session, "shell", lambda _host: None)
    monkeypatch.setattr(session, "read", lambda _login, _name: case.record)
    with session.Session("build", Options(site=LAB, nodes=case.nodes, log=log)) as run:
        run.read_record(follow_site=case.build)
        assert run.record is case.record
        assert len(run.cluster.guests) == case.wanted


@pytest.mark.parametrize(("build", "kind"), [(True, "bridge"), (False, "program")])
def test_a_build_follows_the_sites_switch_and_all_else_the_one_in_use(
    monkeypatch: pytest.MonkeyPatch, log: str, build: bool, kind: str
):
    used = SwitchInUse(name="mine", adapter={"program": {"command": ["mine", "{ports}"]}})
    record = FIVE.model_copy(update={"switch": used})
    monkeypatch.setattr(session, "shell", lambda _host: None)
    monkeypatch.setattr(session, "read", lambda _login, _name: record)
    with session.Session("build", Options(site=LAB, log=log)) as run:
        run.read_record(follow_site=build)
        cluster = run.cluster
        kinds = {one.settings.switch.kind for one in (cluster, *cluster.guests)}
        assert (kinds, len(cluster.guests)) == ({kind}, 5)
