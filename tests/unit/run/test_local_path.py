"""A local path is where all guests are on one hypervisor, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from farswitch.errors import ConfigError
from farswitch.model.cluster import cluster
from farswitch.site.loader import ROOT, load_site
from workflows.local_path import local_steps

SITE = cluster(load_site(str(ROOT / "inventory/lab")), 2)


def test_the_guard_holds_for_its_bridge_before_that_is_made():
    steps = local_steps(SITE, "u0", 1450)
    assert [one.name for one in steps] == ["guard", "bridge", "local_path"]
    assert steps[0].arguments["want"].bridges == ("fsb41", "fsb42", "fsl41")
    assert [one.name for one in steps[1].arguments["bridges"]][-1] == "fsl41"


def test_guests_on_several_hypervisors_have_none():
    first, second = SITE.guests
    spread = replace(SITE, guests=(first, replace(second, hypervisor="server3")))
    with pytest.raises(ConfigError, match="The guests are on server1, server3: there is no local"):
        local_steps(spread, "u0", 1450)
