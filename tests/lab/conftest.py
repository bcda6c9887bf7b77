"""One cluster of real guests for all tests here, on a lab of its own, built once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from farswitch.lab import control
from farswitch.lab.addresses import Lab
from tests.lab.clusters import ClusterUnderTest
from tests.lab.comparison import Snapshot, compare, observe, settle
from tests.lab.executed import Executed
from tests.lab.foreign import plant
from tests.own_lab import FAILED, WITH_GUESTS, own_lab


@pytest.fixture(scope="session")
def servers() -> Iterator[Lab]:
    """Return a lab that nobody else uses, raised; it goes at the end."""
    with own_lab("fsc", WITH_GUESTS) as lab:
        control.up(lab)
        yield lab


@pytest.fixture(scope="session")
def untouched(servers: Lab) -> Snapshot:
    """Return what was on the servers before any build: among it what somebody else has there."""
    plant(servers)
    settle(servers)
    return observe(servers)


@pytest.fixture(scope="session")
def executed() -> Executed:
    """Return what was started on this machine since the cluster's build began."""
    return Executed()


@pytest.fixture(scope="session")
def built(
    servers: Lab,
    untouched: Snapshot,
    executed: Executed,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ClusterUnderTest]:
    """Return the cluster, built with three guests."""
    folder = tmp_path_factory.mktemp("cluster")
    cluster = ClusterUnderTest("fst", 5001, "10.98.0", "10.99.0", servers, folder)
    cluster.write_site()
    with executed:
        try:
            cluster.good("build")
            yield cluster
        finally:
            cluster.run("teardown")


@pytest.fixture
def cluster(built: ClusterUnderTest, request: pytest.FixtureRequest) -> Iterator[ClusterUnderTest]:
    """Return the cluster of three; a test that changed it gives it back by a build.

    After one that failed everything is made anew: nobody knows what it was in the middle of.
    """
    before = len(built.runs)
    yield built
    if request.node.stash.get(FAILED, False):
        built.write_site()
        built.run("teardown")
        built.good("build", "--nodes", "3")
    elif len(built.runs) > before:
        built.write_site()
        built.good("build", "--nodes", "3")


@pytest.fixture
def leftovers(servers: Lab, untouched: Snapshot) -> Callable[[], list[str]]:
    """Return the function that tells how the servers differ from what they were."""
    return lambda: compare(untouched, observe(servers))
