"""A lab of the tests' own, beside whatever lab somebody uses on this machine."""

import os
import shutil
from collections.abc import Iterator
from ipaddress import IPv4Network

import pytest

from lab import control
from lab.addresses import Lab
from lab.command import PATH


@pytest.fixture(scope="session")
def own_lab() -> Iterator[Lab]:
    """Return the settings of a lab that nobody else uses; whatever stands of it goes at the end."""
    missing = [name for name in control.PROGRAMS if shutil.which(name, path=PATH) is None]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"needs root and {', '.join(missing) or 'nothing else'}")
    number = os.getpid() % 128  # two test runs at a time do not meet
    lab = Lab(
        f"fst{os.getpid()}",
        IPv4Network(f"198.18.{number}.0/24"),  # for such tests, RFC 2544
        IPv4Network(f"198.19.{number}.0/24"),
    )
    yield lab
    control.down(lab)


@pytest.fixture
def lab(own_lab: Lab) -> Lab:
    """Return the lab, raised."""
    control.up(own_lab)
    return own_lab
