"""A server that cannot be asked is named, and later checks leave it alone."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import pytest
from nornir.core.inventory import Host

from farswitch.errors import ConfigError
from farswitch.guests.server_facts import Facts
from farswitch.links.underlay import Underlay
from farswitch.model.cluster import cluster
from farswitch.proof.check import Check
from farswitch.proof.context import Context
from farswitch.site.loader import ROOT, load_site
from tasks.checks.server import ready
from tests.proving import checks_of

CLUSTER = cluster(load_site(str(ROOT / "inventory/lab")))
WAY = Underlay("server2", "eth1", ip_address("203.0.113.12"), 1500, 50)
FOUND = Facts(WAY, "qemu", 1000, 1000, 2)


@pytest.fixture
def context() -> Context:
    hosts = {"server2": Host("server2", data={})}
    return Context(CLUSTER, cast("Any", None), 1450, hosts, Path("ssh_config"))


def made(context: Context, *chosen: str) -> list[Check]:
    found = checks_of(context, ready.PROBE, chosen=chosen)
    return [check for check in found if check.host == "server2"]


def test_a_server_that_answers_is_ready(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready, "preflight", lambda *_some, **_more: SimpleNamespace(result=FOUND))
    (check,) = made(context, ready.NAME)
    assert made(context) == [], "nobody asked"
    assert (check.ok, check.host) == (True, "server2")
    assert "203.0.113.12 on 'eth1', MTU 1500" in check.measured


def test_a_server_that_is_not_fit_has_failed_and_is_left_alone_then(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_some: object, **_more: object) -> NoReturn:
        raise ConfigError("'server2' has no route to it.", hint="Bring the device up.")

    monkeypatch.setattr(ready, "preflight", refuse)
    (check,) = made(context)
    assert (check.ok, check.fix) == (False, "Bring the device up.")
    assert "no route" in check.measured
    assert [one.ok for one in made(context, ready.NAME)] == [None]
