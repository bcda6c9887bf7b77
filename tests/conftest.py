"""Two lanes for all tests: one has the cluster of real guests, the other everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

LAB = Path(__file__).parent / "lab"
ALONE = ("test_image_boot.py", "test_cluster_foreign_image.py")
"""Files of real guests that need no cluster of others."""
LAST = ("test_cluster_teardown.py",)
"""Files that end the cluster that the others share."""


def lane(path: Path) -> str:
    """Return the name of the group that runs in one process: a fixture is made once in it."""
    if path.parent != LAB:
        return str(path)
    return "image" if path.name in ALONE else "cluster"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test its lane, the longest lanes first, and what ends the cluster at its end."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(lane(item.path)))
    items.sort(key=_order)


def _order(item: pytest.Item) -> tuple[bool, bool, bool]:
    """Return what sorts a test: lab, cluster before image, the cluster's end last."""
    name = lane(item.path)
    return name not in {"cluster", "image"}, name == "image", item.path.name in LAST
