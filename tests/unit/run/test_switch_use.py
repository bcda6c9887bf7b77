"""Which switch a name means to `switch use`, and what the cluster's record then has of it."""

from __future__ import annotations

import pytest

from farswitch.errors import ConfigError
from farswitch.model.settings import Settings
from farswitch.model.switch import parse_switch
from workflows.switch_use import chosen

MINE = {"program": {"command": ["mine", "{ports}"]}}
OWN = {"openvswitch": {"datapath": "netdev"}}
NAMES = "'again', 'bridge', 'mine', 'openvswitch', 'program'"
SITE = Settings(cluster="x", switch=OWN, switches={"mine": MINE, "again": OWN})


@pytest.mark.parametrize(
    ("name", "adapter", "kept"),
    [
        ("mine", MINE, MINE),
        ("bridge", "bridge", "bridge"),
        ("openvswitch", OWN, None),
        ("again", OWN, None),
    ],
)
def test_a_name_means_one_of_the_sites_or_a_kind(name, adapter, kept):
    found = chosen(SITE, name)
    assert found.adapter == parse_switch(adapter)
    assert (found.in_record and found.in_record.adapter) == kept


@pytest.mark.parametrize(
    ("name", "sentence", "hint"),
    [
        (
            "brige",
            f"There is no switch 'brige', wanted one of {NAMES}.",
            "A switch with settings gets a name under 'switches' in defaults.yaml.",
        ),
        (
            "program",
            "A switch of the kind 'program' needs settings.",
            "Write them under a name of yours: switches: {mine: {program: …}}",
        ),
    ],
)
def test_a_name_that_means_none_is_refused(name, sentence, hint):
    with pytest.raises(ConfigError) as caught:
        chosen(SITE, name)
    assert (str(caught.value), caught.value.hint) == (sentence, hint)
