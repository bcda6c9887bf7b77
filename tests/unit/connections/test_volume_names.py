"""Which volumes of a pool are ours to delete: the pool may be one that others use too."""

from __future__ import annotations

import pytest

from farswitch.guests.base_image import GUESTS, OURS
from farswitch.guests.remove import is_of


@pytest.mark.parametrize(
    ("volume", "unwanted"),
    [
        ("lab.node3.1.qcow2", True),
        ("lab.node3.seed.iso", True),
        ("lab.node1.1.qcow2", False),
        ("other.node3.1.qcow2", False),
        ("lab.img", False),
        ("lab.node3.qcow2", False),
        ("lab.node3.1.qcow2.backup", False),
        ("base-own-0123456789abcdef.qcow2", False),
    ],
)
def test_only_volumes_named_as_ours_are_of_an_unwanted_guest(volume: str, unwanted: bool):
    assert is_of(volume, "lab", lambda guest: guest not in {"node1", "node2"}) is unwanted


@pytest.mark.parametrize(
    ("volume", "ours"),
    [
        ("base-own-0123456789abcdef.qcow2", True),
        ("base-own-0123456789abcdef.kernel", True),
        ("base-user-0123456789abcdef.qcow2", True),
        ("base-image.qcow2", False),
        ("base-own-0123456789abcdef.qcow2.backup", False),
        ("debian-12.qcow2", False),
    ],
)
def test_only_volumes_named_as_ours_are_base_images(volume: str, ours: bool):
    assert (OURS.fullmatch(volume) is not None) is ours
    assert GUESTS.fullmatch(volume) is None
