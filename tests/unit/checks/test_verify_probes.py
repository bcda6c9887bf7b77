"""A probe of verify: what was not measured never passes, and what failed explains what follows."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import Any, cast

import pytest
from nornir.core.inventory import Host
from nornir.core.task import Task

from farswitch.connections.shell.protocol import ConnectionLostError
from farswitch.errors import FarswitchError
from farswitch.model.cluster import cluster
from farswitch.proof.check import Check, skipped
from farswitch.proof.fan_out import AT_ONCE, each
from farswitch.proof.probe import Findings, Probe, Scene
from farswitch.site.loader import ROOT, load_site
from tasks import checks
from tasks.checks import SUITE, probes
from tasks.verify import verify

CLUSTER = cluster(load_site(str(ROOT / "inventory/lab")))
GOOD = Check("x.one", "node1", ok=True, measured="1", expected="1")
BAD = Check("x.one", "node1", ok=False, measured="2", expected="1")
CHECKS = {"x.one": "One is one.", "x.two": "Two is two."}


@pytest.fixture
def scene() -> Scene:
    hosts = {"node1": Host("node1"), "node2": Host("node2")}
    return Scene(CLUSTER, cast("Any", None), 1450, hosts, Path("ssh_config"))


def run(
    scene: Scene, *yields: Check | Exception, needs: tuple[str, ...] = (), writes: bool = False,
    dry: bool = False, chosen: tuple[str, ...] = ("x.one", "x.two"), each: tuple[str, ...] = (),
) -> dict[str, list[bool | None]]:  # fmt: skip
    """Run a probe that yields checks or raises, and return the verdicts by name."""

    def measure(_task: Task, _scene: Scene) -> Iterator[Check]:
        for one in yields:
            if isinstance(one, Exception):
                raise one
            yield one

    probe = Probe("guests", CHECKS, measure, each=frozenset(each), needs=needs, writes=writes)
    task = SimpleNamespace(host=scene.hosts["node1"], is_dry_run=lambda: dry)
    told = verify(cast("Task", task), probe, scene, chosen).checks
    verdicts: dict[str, list[bool | None]] = {}
    for check in told:
        verdicts.setdefault(check.name, []).append(check.ok)
    return verdicts


def test_a_check_that_the_probe_did_not_yield_has_failed(scene: Scene) -> None:
    assert run(scene, GOOD) == {"x.one": [True], "x.two": [False]}
    assert run(scene) == {"x.one": [False], "x.two": [False]}


def test_a_skip_of_another_host_is_no_verdict_on_this_one(scene: Scene) -> None:
    elsewhere = skipped("x.two", "node2", "it is off")
    assert run(scene, GOOD, elsewhere) == {"x.one": [True], "x.two": [None, False]}
    here = skipped("x.two", "node1", "there is nothing to measure")
    assert run(scene, GOOD, here, elsewhere) == {"x.one": [True], "x.two": [None, None]}


def test_a_check_of_each_guest_has_failed_where_one_has_no_verdict(scene: Scene) -> None:
    each = ("x.one",)
    two = replace(GOOD, name="x.two")
    off = skipped("x.one", "node2", "it is off")
    third = replace(GOOD, host="node3")
    assert run(scene, GOOD, off, third, two, each=each)["x.one"] == [True, None, True]
    assert run(scene, GOOD, off, two, each=each)["x.one"] == [True, None, False]
    told = [one for one in scene.findings.checks if one.ok is False]
    assert [(one.name, one.host) for one in told] == [("x.one", "node3")]
    assert run(scene, two, each=each)["x.one"] == [False, False, False]


def test_an_error_fails_what_passed_so_far_too(scene: Scene) -> None:
    """Half of the pairs were judged: the other half would be missing from a pass."""
    found = run(scene, GOOD, FarswitchError("The agent is dead."))
    assert found == {"x.one": [True, False], "x.two": [False]}


@pytest.mark.log_tells("A probe of 'x'")
def test_a_fault_of_a_probe_fails_its_checks_and_ends_no_others(scene: Scene) -> None:
    assert run(scene, GOOD, KeyError("tap")) == {"x.one": [True, False], "x.two": [False]}
    assert run(scene, GOOD, GOOD)["x.one"] == [True, True]


def test_a_failure_that_was_found_is_not_told_twice(scene: Scene) -> None:
    found = run(scene, BAD, FarswitchError("No."))
    assert found == {"x.one": [False], "x.two": [False]}


def test_an_error_is_told_with_its_next_step(scene: Scene) -> None:
    run(scene, FarswitchError("It is gone.", hint="Bring it back."))
    check = scene.findings.failed(["x"])
    assert check is not None
    assert "It is gone." in check.measured
    assert "Bring it back." in check.hint


def test_a_host_that_is_lost_is_left_alone_afterwards(scene: Scene) -> None:
    lost = ConnectionLostError("node1", "it does not answer")
    assert run(scene, lost) == {"x.one": [False], "x.two": [False]}
    assert run(scene, GOOD) == {"x.one": [None], "x.two": [None]}
    assert [guest.name for guest in scene.there()] == ["node2", "node3"]


def test_a_guest_that_is_left_out_is_a_skip_with_its_reason(scene: Scene) -> None:
    assert list(scene.left_out(CHECKS)) == []
    scene.findings.lose("node2", "it is off")
    told = list(scene.left_out(CHECKS))
    assert [(one.name, one.host, one.ok) for one in told] == [
        ("x.one", "node2", None),
        ("x.two", "node2", None),
    ]
    assert "it is off" in told[0].measured


def test_what_failed_before_skips_what_needs_it(scene: Scene) -> None:
    scene.findings.add([Check("reach.icmp", "node2", ok=False, measured="", expected="")])
    assert run(scene, GOOD, needs=("reach",)) == {"x.one": [None], "x.two": [None]}
    assert run(scene, GOOD, needs=("reach.icmp",)) == {"x.one": [None], "x.two": [None]}
    assert run(scene, GOOD, needs=("reach.tcp", "ssh")) == {"x.one": [True], "x.two": [False]}


def test_a_skip_does_not_skip_others(scene: Scene) -> None:
    scene.findings.add([skipped("reach.icmp", "node2", "no third host")])
    assert run(scene, GOOD, needs=("reach",))["x.one"] == [True]


def test_a_dry_run_leaves_out_what_writes(scene: Scene) -> None:
    assert run(scene, GOOD, writes=True, dry=True) == {"x.one": [None], "x.two": [None]}
    assert run(scene, GOOD, dry=True)["x.one"] == [True]


def test_only_what_was_asked_for_is_told(scene: Scene) -> None:
    assert run(scene, GOOD, chosen=("x.two",)) == {"x.two": [False]}


def test_a_failure_for_which_a_host_is_left_alone_is_told_unasked(scene: Scene) -> None:
    """All that is asked for of it later is skipped: without this failure the run would pass."""
    scene.findings.lose("node1", "it refuses logins")
    probe = Probe("guests", CHECKS, lambda _task, _scene: [BAD, replace(GOOD, host="node2")])
    task = SimpleNamespace(host=scene.hosts["node2"], is_dry_run=lambda: False)
    told = verify(cast("Task", task), probe, scene, ["x.two"]).checks
    assert [(one.name, one.host) for one in told if one.ok is False] == [
        ("x.one", "node1"),
        ("x.two", "node2"),
    ]


def test_each_gives_a_result_or_an_error_for_every_name() -> None:
    def ask(name: str) -> str:
        if name == "b":
            raise FarswitchError("No b.")
        return name.upper()

    found = each(["a", "b", "c"], ask)
    assert (found["a"], found["c"]) == ("A", "C")
    assert str(found["b"]) == "No b."
    assert each([], ask, at_once=0) == {}


def test_each_calls_for_all_at_the_same_time_where_they_wait_for_each_other() -> None:
    together = Barrier(AT_ONCE + 1, timeout=20)
    found = each(map(str, range(AT_ONCE + 1)), lambda _: together.wait(), at_once=AT_ONCE + 1)
    assert sorted(cast("Any", list(found.values()))) == list(range(AT_ONCE + 1))


def test_every_probe_says_what_each_check_proves() -> None:
    names = [name for probe in probes() for name in probe.checks]
    assert len(names) == len(set(names))
    for probe in probes():
        assert probe.family in SUITE
        assert probe.each <= set(probe.checks)
        for name, sentence in probe.checks.items():
            assert sentence.endswith("."), name
            assert name.partition(".")[2], name


def test_each_module_with_a_probe_stands_in_the_suite_once() -> None:
    modules = pkgutil.walk_packages(checks.__path__, "tasks.checks.")
    loaded = [import_module(module.name) for module in modules]
    written = [id(one.PROBE) for one in loaded if hasattr(one, "PROBE")]
    assert sorted(written) == sorted(id(probe) for probe in probes())


def test_probes_come_in_the_order_of_families() -> None:
    families = "server tunnel guest mtu ssh nfs mpi attack control"
    assert " ".join(SUITE) == families


def test_findings_name_the_first_failure() -> None:
    findings = Findings()
    findings.add([GOOD, BAD])
    assert findings.failed(["x"]) is BAD
    assert findings.failed(["y"]) is None


@pytest.mark.parametrize(
    ("cause", "fix", "hint"),
    [("Why.", "do it", "Why.\nFix: do it"), ("Why.", "", "Why."), ("", "do it", "Fix: do it")],
)
def test_a_hint_is_cause_and_fix(cause: str, fix: str, hint: str) -> None:
    assert Check("x.one", "node1", False, "", "", cause, fix).hint == hint
