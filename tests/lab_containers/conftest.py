"""A lab of the tests' own, beside whatever lab somebody uses on this machine."""

from collections.abc import Iterator

import pytest

from farswitch.lab import control
from farswitch.lab.addresses import Lab
from tests.own_lab import FAILED
from tests.own_lab import own_lab as new_lab


@pytest.fixture(scope="session")
def own_lab() -> Iterator[Lab]:
    """Return the settings of a lab that nobody else uses; whatever stands of it goes at the end."""
    with new_lab("fst") as lab:
        yield lab


@pytest.fixture
def lab(own_lab: Lab, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """Return the lab, raised; what a test that failed made of it is no other test's."""
    control.up(own_lab)
    yield own_lab
    if request.node.stash.get(FAILED, False):
        control.down(own_lab)
