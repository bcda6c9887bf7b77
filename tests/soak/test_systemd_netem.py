"""A switch server whose kernel has netem, which does all that a port can do to frames."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.soak.ground import Ground
from tests.soak.machine import Machine

pytestmark = [pytest.mark.root, pytest.mark.soak]
Told = Callable[[str], None]
ALL = "delay 20ms jitter 2ms loss 1% rate 100Mbit duplicate 2% corrupt 3% reorder 4%"
QDISCS = "tc -j qdisc show dev fsv8001"


def good(ground: Ground, *words: str) -> dict[str, object]:
    run = ground.impair(*words)
    assert run.status == 0, run.said + json.dumps(run.document)
    return run.document


def does(document: dict[str, object]) -> list[dict[str, str]]:
    return [one["does"] for one in document["impairments"]]


def chain(far: Machine) -> list[tuple[str, str]]:
    """Return kinds and handles, by handle: tc lists them in an order of its own."""
    found = [(one["kind"], one["handle"]) for one in json.loads(far.run(QDISCS))]
    return sorted(found, key=lambda one: one[1])


def test_netem_does_what_was_asked_and_is_read_back(ground: Ground, far: Machine, told: Told):
    before = far.state()
    ground.converges()
    asked = good(ground, "node1", "--to-guest", ALL, "--no-measure")
    wanted = dict(zip(ALL.split()[::2], ALL.split()[1::2], strict=True))
    assert does(asked) == [wanted]
    assert chain(far) == [("tbf", "4600:"), ("netem", "4601:"), ("tbf", "4602:")]
    (netem,) = [one["options"] for one in json.loads(far.run(QDISCS)) if one["kind"] == "netem"]
    assert netem["delay"]["delay"] == pytest.approx(0.02)
    assert netem["delay"]["jitter"] == pytest.approx(0.002)
    assert netem["loss-random"]["loss"] == pytest.approx(0.01, rel=1e-3)
    assert netem["duplicate"]["duplicate"] == pytest.approx(0.02, rel=1e-3)
    assert netem["corrupt"]["corrupt"] == pytest.approx(0.03, rel=1e-3)
    assert netem["reorder"]["reorder"] == pytest.approx(0.04, rel=1e-3)
    assert good(ground, "node1", "--to-guest", ALL, "--no-measure")["changed"] == 0
    assert does(good(ground, "show")) == [wanted]
    far.run("nft list tables netdev | grep -q . && exit 1 || exit 0")
    good(ground, "node1", "--to-guest", "delay 5ms", "--no-measure")
    assert chain(far) == [("netem", "4600:")]
    good(ground, "clear")
    assert does(good(ground, "show")) == []
    ground.goes()
    assert far.state() == before
    told("netem delayed, dropped, doubled, spoiled and reordered, and was read back")
