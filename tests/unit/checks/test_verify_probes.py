"""A probe of verify: what was not measured never passes, and what failed explains what follows."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytest
from nornir.core.inventory import Host
from nornir.core.task import Task

from farswitch.connections.shell.protocol import ConnectionLostError
from farswitch.errors import FarswitchError
from farswitch.model.cluster import cluster
from farswitch.proof.check import Check, skipped
from farswitch.proof.context import Context, Evidence
from farswitch.proof.fan_out import each
from farswitch.proof.probe import Probe, Proof, of_each, of_one
from farswitch.site.loader import ROOT, load_site
from tasks import checks
from tasks.checks import SUITE, probes
from tasks.checks.nfs import share
from tasks.checks.reach import probe as reach
from tasks.checks.tunnel import fdb
from tasks.checks.tunnel import probe as tunnel
from tests.proving import checks_of

CLUSTER = cluster(load_site(str(ROOT / "inventory/lab")))
GOOD = Check("x.one", "node1", ok=True, measured="1", expected="1")
BAD = Check("x.one", "node1", ok=False, measured="2", expected="1")
CHECKS = {"x.one": "One is one.", "x.two": "Two is two."}


@pytest.fixture
def context() -> Context:
    hosts = {"node1": Host("node1"), "node2": Host("node2")}
    return Context(CLUSTER, cast("Any", None), 1450, hosts, Path("ssh_config"))


def run(
    context: Context, *yields: Check | Exception, needs: tuple[str, ...] = (), writes: bool = False,
    dry: bool = False, chosen: tuple[str, ...] = ("x.one", "x.two"), each: tuple[str, ...] = (),
) -> dict[str, list[bool | None]]:  # fmt: skip
    """Run a probe that yields checks or raises, and return the verdicts by name."""

    def judge(_context: Context, _host: str, _observed: None) -> Iterator[Check]:
        for one in yields:
            if isinstance(one, Exception):
                raise one
            yield one

    proof = of_each("head", lambda _task, _context: None, judge)
    probe = Probe("head", CHECKS, proof, each=frozenset(each), needs=needs, writes=writes)
    told = checks_of(context, probe, chosen=chosen, dry=dry)
    verdicts: dict[str, list[bool | None]] = {}
    for check in told:
        verdicts.setdefault(check.name, []).append(check.ok)
    return verdicts


def test_a_check_that_the_probe_did_not_yield_has_failed(context: Context) -> None:
    assert run(context, GOOD) == {"x.one": [True], "x.two": [False]}
    assert run(context) == {"x.one": [False], "x.two": [False]}


def test_a_skip_of_another_host_is_no_verdict_on_this_one(context: Context) -> None:
    elsewhere = skipped("x.two", "node2", "it is off")
    assert run(context, GOOD, elsewhere) == {"x.one": [True], "x.two": [None, False]}
    here = skipped("x.two", "node1", "there is nothing to measure")
    assert run(context, GOOD, here, elsewhere) == {"x.one": [True], "x.two": [None, None]}


def test_a_check_of_each_guest_has_failed_where_one_has_no_verdict(context: Context) -> None:
    each = ("x.one",)
    two = replace(GOOD, name="x.two")
    off = skipped("x.one", "node2", "it is off")
    third = replace(GOOD, host="node3")
    assert run(context, GOOD, off, third, two, each=each)["x.one"] == [True, None, True]
    assert run(context, GOOD, off, two, each=each)["x.one"] == [True, None, False]
    told = [one for one in context.evidence.checks if one.ok is False]
    assert [(one.name, one.host) for one in told] == [("x.one", "node3")]
    assert run(context, two, each=each)["x.one"] == [False, False, False]


def test_an_error_fails_what_passed_so_far_too(context: Context) -> None:
    """Half of the pairs were judged: the other half would be missing from a pass."""
    found = run(context, GOOD, FarswitchError("The agent is dead."))
    assert found == {"x.one": [True, False], "x.two": [False]}


@pytest.mark.log_tells("A probe of 'x'")
def test_a_fault_of_a_probe_fails_its_checks_and_ends_no_others(context: Context) -> None:
    assert run(context, GOOD, KeyError("tap")) == {"x.one": [True, False], "x.two": [False]}
    assert run(context, GOOD, GOOD)["x.one"] == [True, True]


def test_a_failure_that_was_found_is_not_told_twice(context: Context) -> None:
    found = run(context, BAD, FarswitchError("No."))
    assert found == {"x.one": [False], "x.two": [False]}


def test_an_error_is_told_with_its_next_step(context: Context) -> None:
    run(context, FarswitchError("It is gone.", hint="Bring it back."))
    check = context.evidence.failed(["x"])
    assert check is not None
    assert "It is gone." in check.measured
    assert "Bring it back." in check.hint


def test_a_host_that_is_lost_is_left_alone_afterwards(context: Context) -> None:
    lost = ConnectionLostError("node1", "it does not answer")
    assert run(context, lost) == {"x.one": [False], "x.two": [False]}
    assert run(context, GOOD) == {"x.one": [None], "x.two": [None]}
    assert [guest.name for guest in context.there()] == ["node2", "node3"]


def test_a_guest_that_is_left_out_is_a_skip_with_its_reason(context: Context) -> None:
    assert list(context.left_out(CHECKS)) == []
    context.evidence.lose("node2", "it is off")
    told = list(context.left_out(CHECKS))
    assert [(one.name, one.host, one.ok) for one in told] == [
        ("x.one", "node2", None),
        ("x.two", "node2", None),
    ]
    assert "it is off" in told[0].measured


def test_what_failed_before_skips_what_needs_it(context: Context) -> None:
    context.evidence.checks.extend(
        [Check("reach.icmp", "node2", ok=False, measured="", expected="")]
    )
    assert run(context, GOOD, needs=("reach",)) == {"x.one": [None], "x.two": [None]}
    assert run(context, GOOD, needs=("reach.icmp",)) == {"x.one": [None], "x.two": [None]}
    assert run(context, GOOD, needs=("reach.tcp", "ssh")) == {"x.one": [True], "x.two": [False]}


def test_a_skip_does_not_skip_others(context: Context) -> None:
    context.evidence.checks.extend([skipped("reach.icmp", "node2", "no third host")])
    assert run(context, GOOD, needs=("reach",))["x.one"] == [True]


def test_a_dry_run_leaves_out_what_writes(context: Context) -> None:
    assert run(context, GOOD, writes=True, dry=True) == {"x.one": [None], "x.two": [None]}
    assert run(context, GOOD, dry=True)["x.one"] == [True]


def test_only_what_was_asked_for_is_told(context: Context) -> None:
    assert run(context, GOOD, chosen=("x.two",)) == {"x.two": [False]}


def test_a_failure_for_which_a_host_is_left_alone_is_told_unasked(context: Context) -> None:
    """All that is asked for of it later is skipped: without this failure the run would pass."""
    context.evidence.lose("node1", "it refuses logins")
    found = [BAD, replace(GOOD, host="switch")]
    probe = Probe("switch", CHECKS, of_one("switch", lambda _task, _context: found))
    context = replace(context, hosts={**context.hosts, "server2": Host("server2")})
    told = checks_of(context, probe, chosen=["x.two"])
    assert [(one.name, one.host) for one in told if one.ok is False] == [
        ("x.one", "node1"),
        ("x.two", "server2"),
    ]


def test_each_gives_a_result_or_an_error_for_every_name() -> None:
    def ask(name: str) -> str:
        if name == "b":
            raise FarswitchError("No b.")
        return name.upper()

    found = each(["a", "b", "c"], ask)
    assert (found["a"], found["c"]) == ("A", "C")
    assert str(found["b"]) == "No b."
    assert each([], ask) == {}


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


def test_evidence_names_the_first_failure() -> None:
    evidence = Evidence([GOOD, BAD])
    assert evidence.failed(["x"]) is BAD
    assert evidence.failed(["y"]) is None


@pytest.mark.parametrize(
    ("cause", "fix", "hint"),
    [("Why.", "do it", "Why.\nFix: do it"), ("Why.", "", "Why."), ("", "do it", "Fix: do it")],
)
def test_a_hint_is_cause_and_fix(cause: str, fix: str, hint: str) -> None:
    assert Check("x.one", "node1", False, "", "", cause, fix).hint == hint


def test_a_lost_login_ends_the_chain_of_a_host_and_later_probes_are_skips(context: Context) -> None:
    asked: list[str] = []

    def lose(_task: Task, _context: Context) -> None:
        asked.append("lose")
        raise ConnectionLostError("node1", "it does not answer")

    def never(_task: Task, _context: Context) -> None:
        asked.append("never")

    first = Probe("head", {"x.one": "."}, of_each("head", lose, lambda *_: ()))
    second = Probe("head", {"x.two": "."}, of_each("head", never, lambda *_: ()))
    told = checks_of(context, first, second)
    assert asked == ["lose"]
    assert [(one.name, one.ok) for one in told] == [("x.one", False), ("x.two", None)]


def test_rounds_of_probes_go_on_side_by_side_until_none_wants_more(context: Context) -> None:
    seen: list[str] = []

    def rounds(name: str, count: int) -> Callable[[Context], Proof]:
        def prove(_context: Context) -> Proof:
            for number in range(count):
                yield {"head": lambda *_, at=number: seen.append(f"{name}{at}")}
            check = Check(name, "node1", ok=True, measured=str(count), expected="")
            return {"node1": [check]}

        return prove

    one = Probe("head", {"x.one": "."}, rounds("x.one", 2))
    two = Probe("head", {"x.two": "."}, rounds("x.two", 1))
    told = checks_of(context, one, two)
    assert seen == ["x.one0", "x.two0", "x.one1"]
    assert [(check.name, check.ok) for check in told] == [("x.one", True), ("x.two", True)]


def test_guests_that_wait_for_each_other_are_visited_together() -> None:
    assert [probe for probe in probes() if probe.together] == [reach.PROBE]


@pytest.mark.parametrize("probe", [tunnel.PROBE, fdb.PROBE], ids=["tunnel", "fdb"])
def test_what_needs_all_servers_fails_where_one_was_left_alone(
    probe: Probe, context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    context.evidence.lose("server1", "it refuses logins")
    told = checks_of(context, probe)
    assert {check.name: check.ok for check in told} == dict.fromkeys(probe.checks, False)
    assert caplog.records == []


@pytest.mark.parametrize(("probe", "lost"), [(share.PROBE, "node1"), (reach.PROBE, "server2")])
def test_a_probe_whose_host_was_left_alone_is_skipped_and_asks_nobody(
    probe: Probe, lost: str, context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    context.evidence.lose(lost, "it is off")
    told = checks_of(context, probe)
    assert {check.name: check.ok for check in told} == dict.fromkeys(probe.checks, None)
    assert caplog.records == []
