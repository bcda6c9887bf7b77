"""A path between the servers that carries less than they think: both ways that verify names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from farswitch.lab import bridges
from farswitch.lab.addresses import Lab
from farswitch.lab.run import run
from tests.lab.clusters import Run
from tests.soak.ground import Ground

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.soak]
Told = Callable[[str], None]
SMALLER = re.compile(r"or build with 'mtu: (\d+)'")


@contextmanager
def narrow(lab: Lab, mtu: int) -> Iterator[None]:
    """Let the ports of the underlay's bridge carry less, which no server can see."""
    inside = [*bridges.within(lab), "ip"]
    shown = json.loads(run([*inside, "-j", "link", "show", "master", bridges.UNDERLAY]))
    before = {one["ifname"]: one["mtu"] for one in shown}
    for name in before:
        run([*inside, "link", "set", "dev", name, "mtu", str(mtu)])
    try:
        yield
    finally:
        for name, had in before.items():
            run([*inside, "link", "set", "dev", name, "mtu", str(had)])


def failed(seen: Run) -> set[str]:
    return {check["name"] for check in seen.document["checks"] if check["ok"] is False}


def test_a_build_with_the_smaller_mtu_mends_it(guests: Ground, told: Told):
    guests.cluster.size = 2
    guests.cluster.write_site()
    assert guests.run("build").status == 0
    boots = guests.cluster.boots(2)
    with narrow(guests.cluster.lab, 1300):
        seen = guests.run("verify", "--only", "mtu")
        assert {"mtu.hops", "mtu.underlay", "mtu.exact"} <= failed(seen), seen.said
        fixes = {check["fix"] for check in seen.document["checks"] if check["name"] == "mtu.hops"}
        (number,) = {found[1] for fix in fixes if (found := SMALLER.search(fix))}
        assert number == "1254", "a bridge lets four bytes more through, as for a VLAN's tag"
        assert "The narrowest is the path to 'server" in seen.said
        guests.cluster.write_site(f"mtu: {number}")
        smaller = guests.run("build")
        assert smaller.status == 0, smaller.said
        proved = guests.run("verify")
        assert proved.status == 0, proved.said
        assert guests.run("build").changed == 0
    guests.cluster.write_site()
    assert guests.run("build").status == 0
    assert guests.run("verify", "--only", "mtu").status == 0
    assert guests.cluster.boots(2) == boots
    guests.goes()
    told(f"path narrowed to 1,300 B under two real guests, mended by 'mtu: {number}', and back")
