"""`make trial-freeze`: real guests boot so many at once as the site says, and what each takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from farswitch.lab import control
from farswitch.lab.addresses import Lab
from tests.lab.clusters import ClusterUnderTest
from tests.own_lab import WITH_GUESTS, own_lab

pytestmark = [pytest.mark.trial, pytest.mark.lab, pytest.mark.root]

Figure = Callable[[str, object], None]
GUESTS = 4


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with own_lab("fsk", WITH_GUESTS) as lab:
        control.up(lab)
        yield lab


@pytest.fixture
def cluster(lab: Lab, tmp_path: Path) -> Iterator[ClusterUnderTest]:
    made = ClusterUnderTest("fsk", 9201, "10.92.4", "10.92.5", lab, tmp_path, size=GUESTS)
    yield made
    made.run("teardown", "--keep-image")


def boots(cluster: ClusterUnderTest) -> list[tuple[float, float]]:
    """Return when each guest's boot began and ended in the last build, in seconds of the run.

    The step does a little before and after its boot: that is left out at both ends.
    """
    run = max((cluster.state / "farswitch/runs").glob("*-build-*.json"))
    timeline: list[dict[str, Any]] = json.loads(run.read_text())["timeline"]
    found = []
    for work in timeline:
        if work["step"] == "vm_boot":
            inside = sum(work["parts"].values())
            begin = work["began"] + work["seconds"] - inside + work["parts"]["turn"]
            found.append((begin, work["began"] + inside))
    return found


@pytest.mark.parametrize("most", [1, 2, GUESTS])
def test_no_more_guests_boot_at_once_than_the_site_says(
    cluster: ClusterUnderTest, most: int, record_property: Figure
) -> None:
    cluster.write_site(f"boots_at_once: {most}")
    cluster.good("build")
    found = boots(cluster)
    assert len(found) == GUESTS
    at_once = [sum(began <= moment < ended for began, ended in found) for moment, _ in found]
    assert max(at_once) == most
    took = [ended - began for began, ended in found]
    whole = max(ended for _, ended in found) - min(began for began, _ in found)
    record_property(
        "figure",
        f"{GUESTS} guests, {most} at once: ready after {whole:.1f} s, one boot "
        f"{min(took):.1f} to {max(took):.1f} s",
    )
