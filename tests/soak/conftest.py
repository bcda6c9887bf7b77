"""The servers of the crash tests, their seed, and what is told of each crash."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from tests.lab.clusters import ClusterUnderTest
from tests.own_lab import WITH_GUESTS, own_lab
from tests.soak.ground import Ground
from tests.soak.machine import Machine, machine


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes an hour unless it is asked for: `-m soak`."""
    if "soak" in config.option.markexpr:
        return
    long = [item for item in items if item.get_closest_marker("soak")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


@pytest.fixture(scope="session")
def field(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Return servers that nobody else uses, with a cluster of two that does not stand yet."""
    folder = tmp_path_factory.mktemp("soak")
    with own_lab("fsk", WITH_GUESTS) as lab:
        yield Ground(ClusterUnderTest("fsk", 8001, "10.94.0", "10.94.1", lab, folder, size=2))


@pytest.fixture
def ground(field: Ground) -> Ground:
    """Return the servers as they were, with guests that stand still."""
    field.real, field.cluster.size = False, 2
    field.mend()
    field.cluster.write_site()
    return field


@pytest.fixture
def guests(field: Ground) -> Ground:
    """Return the servers as they were, with a guest that boots."""
    field.real, field.cluster.size = True, 1
    field.mend()
    field.cluster.write_site()
    return field


@pytest.fixture
def far(ground: Ground) -> Iterator[Machine]:
    """Return the machine that is `server2` of the ground's site."""
    with machine(ground.cluster.lab) as found:
        site, lab = ground.cluster.site, ground.cluster.lab
        underlay, control = (address.ip for address in found.addresses)
        ground.cluster.forget_lab()
        known = site.parent / "known_hosts"
        known.write_text(
            f"{lab.known_hosts.read_text()}{control} {found.seed.host_key_public}\n",
            encoding="utf-8",
        )
        rewrite(site / "groups.yaml", re.escape(str(lab.known_hosts)), str(known))
        near = next(one for one in lab.members if not one.hypervisor)
        rewrite(site / "hosts.yaml", re.escape(f"{lab.address(near).ip}\n"), f"{control}\n")
        there = re.escape(f"{lab.underlay_address(near).ip}}}")
        rewrite(site / "hosts.yaml", there, f"{underlay}}}")
        yield found


def rewrite(path: Path, pattern: str, by: str) -> None:
    text, count = re.subn(pattern, by, path.read_text(encoding="utf-8"))
    assert count, f"{pattern} is in {path}"
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def draw(request: pytest.FixtureRequest) -> Random:
    """Return the random numbers of one test, which follow from the random seed and its name."""
    return Random(f"{os.environ['RANDOM_SEED']}/{request.node.name}")


@pytest.fixture
def told(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Return the function that notes a crash for the summary."""
    return functools.partial(record_property, "crash")
