"""What a run records, reports, and ends with."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Barrier

import pytest
from nornir.core import Nornir
from nornir.core.inventory import Defaults, Group, Groups, Host, Hosts, Inventory, ParentGroups
from nornir.core.task import Result, Task
from nornir.plugins.runners import ThreadedRunner

from farswitch.errors import ConfigError, FarswitchError
from farswitch.proof.check import Check
from farswitch.run.cli import Options
from farswitch.run.print_report import show
from farswitch.run.recorder import Recorder
from farswitch.run.report import Report
from farswitch.run.rows import Failure, Row
from farswitch.run.session import Session
from farswitch.run.stages import PerHost, Stage, Step, guests, run_stages, servers, step

ROOT = Path(__file__).parents[3]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def nornir(recorder: Recorder) -> Nornir:
    groups = Groups({name: Group(name) for name in ("hypervisor", "guest")})
    roles = {"server1": "hypervisor", "node1": "guest", "node2": "guest"}
    hosts = Hosts(
        {name: Host(name, groups=ParentGroups([groups[role]])) for name, role in roles.items()}
    )
    inventory = Inventory(hosts=hosts, groups=groups, defaults=Defaults())
    bare = Nornir(inventory=inventory, runner=ThreadedRunner(4))
    return bare.with_processors([recorder])


def change(task: Task, count: int) -> Result:
    return Result(host=task.host, changed=bool(count), count=count, diff="+ x" if count else "")


def fail_on(task: Task, who: str, error: Exception) -> Result:
    if task.host.name == who:
        raise error
    return Result(host=task.host)


def failing(who: str, error: Exception) -> Step:
    return step(fail_on, "boot", who=who, error=error)


def test_a_row_counts_hosts_and_changes(nornir: Nornir, recorder: Recorder):
    assert run_stages(nornir, [Stage(guests, (step(change, count=2),))])
    row = recorder.rows["change"]
    assert (row.hosts, row.changed, row.failed) == ({"node1", "node2"}, 4, set())
    assert sorted(recorder.diffs) == [("change", "node1", "+ x"), ("change", "node2", "+ x")]


def meet(task: Task, barrier: Barrier) -> Result:
    barrier.wait()
    return Result(host=task.host)


def test_hosts_of_a_stage_that_belong_together_are_at_work_at_once(nornir: Nornir):
    one_worker = nornir.with_runner(ThreadedRunner(num_workers=1))
    both = Barrier(2, timeout=20)
    assert run_stages(one_worker, [Stage(guests, (step(meet, barrier=both),), together=True)])


def test_an_argument_may_differ_from_host_to_host(nornir: Nornir, recorder: Recorder):
    each = PerHost(lambda host: int(host.name[-1]))
    run_stages(nornir, [Stage(guests, (step(change, count=each),))])
    assert recorder.rows["change"].changed == 3


def test_a_step_whose_argument_cannot_be_had_failed(nornir: Nornir, recorder: Recorder):
    def has(host: Host) -> int:
        if host.name == "node2":
            raise FarswitchError("It has none.", hint="Get one.")
        return 1

    chain = (step(change, count=1), step(change, "next", count=PerHost(has)))
    assert not run_stages(nornir, [Stage(guests, (*chain, step(change, "last", count=1)))])
    assert recorder.failures == [Failure("node2", "next", "It has none.", "Get one.")]
    assert recorder.rows["next"].failed == {"node2"}
    assert recorder.rows["last"].hosts == {"node1"}
    assert [name for name, host, result in recorder.returned if result.failed] == ["next"]


def test_a_failed_server_ends_the_run(nornir: Nornir, recorder: Recorder):
    error = FarswitchError("It broke.", hint="Mend it.")
    broken = Stage(servers, (failing("server1", error),))
    assert not run_stages(nornir, [broken, Stage(guests, (step(change, count=1),))])
    assert recorder.failures == [Failure("server1", "boot", "It broke.", "Mend it.")]
    assert "change" not in recorder.rows


def test_a_failed_guest_drops_out_alone(nornir: Nornir, recorder: Recorder):
    broken = failing("node2", FarswitchError("No."))
    chain = Stage(guests, (broken, step(change, count=1)), vital=False)
    assert run_stages(nornir, [chain, Stage(guests, (step(change, "later", count=1),))])
    assert [failure.host for failure in recorder.failures] == ["node2"]
    assert recorder.rows["change"].hosts == {"node1"}
    assert recorder.rows["later"].hosts == {"node1"}


def test_teardown_goes_on_with_hosts_that_failed(nornir: Nornir, recorder: Recorder):
    broken = failing("server1", FarswitchError("No."))
    run_stages(
        nornir,
        [Stage(servers, (broken,)), Stage(servers, (step(change, count=1),))],
        on_failed=True,
    )
    assert recorder.rows["change"].hosts == {"server1"}
    assert len(recorder.failures) == 1


def test_an_unexpected_error_is_named_without_its_traceback(nornir: Nornir, recorder: Recorder):
    broken = failing("node1", KeyError("x"))
    run_stages(nornir, [Stage(guests, (broken,), vital=False)])
    assert recorder.failures[0].error == "KeyError: 'x'"


BAD = Check("mtu.exact", "node1", ok=False, measured="1400", expected="1450", cause="Raise it.")
GOOD = Check("mtu.exact", "node2", ok=True, measured="1450", expected="1450")


@pytest.mark.parametrize(
    ("report", "code"),
    [
        pytest.param(Report("build", "lab"), 0, id="done"),
        pytest.param(Report("verify", "lab", checks=[GOOD]), 0, id="checks-hold"),
        pytest.param(Report("verify", "lab", checks=[GOOD, BAD]), 1, id="a-check-failed"),
        pytest.param(
            Report("build", "lab", failures=[Failure("node2", "vm_boot", "No.", "")]),
            1,
            id="a-host-failed",
        ),
        pytest.param(
            Report(
                "build", "lab", failures=[Failure("server1", "preflight", "No.", "", usage=True)]
            ),
            2,
            id="configuration",
        ),
    ],
)
def test_the_exit_code_says_how_it_went(report: Report, code: int):
    assert report.exit_code == code


def test_json_goes_to_stdout_and_people_read_stderr(capsys: pytest.CaptureFixture[str]):
    rows = [Row("switch", 0.0, 0.25, hosts={"server2"}, changed=4)]
    report = Report("build", "lab", seconds=4.25, rows=rows, checks=[BAD])
    show(report, as_json=True, verbose=0)
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert document["stages"] == [
        {"name": "switch", "hosts": 1, "changed": 4, "failed": 0, "seconds": 0.2}
    ]
    assert (document["ok"], document["changed"], document["failed"]) == (False, 4, 1)
    assert document["checks"][0]["measured"] == "1400"
    assert "Raise it." in printed.err


def warn(task: Task, who: str) -> Result:
    """Tell of an earlier run, and then fail on one host."""
    printed = f"{task.host}: undone"
    if task.host.name == who:
        error = FarswitchError("No.")
        error.add_note(printed)
        raise error
    return Result(host=task.host, warnings=[printed])


def test_a_warning_is_kept_also_where_the_step_fails(nornir: Nornir, recorder: Recorder):
    run_stages(nornir, [Stage(guests, (step(warn, who="node1"),), vital=False)])
    assert sorted(recorder.warnings) == ["node1: undone", "node2: undone"]
    assert [one.error for one in recorder.failures] == ["No."]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_warning_is_printed_once_without_being_asked_for(
    capsys: pytest.CaptureFixture[str], as_json: bool
):
    report = Report("build", "lab", warnings=["An earlier change [x] was undone."])
    show(report, as_json=as_json, verbose=0)
    printed = capsys.readouterr()
    people = printed.err if as_json else printed.out
    assert people.count("An earlier change [x] was undone.") == 1
    if as_json:
        assert json.loads(printed.out)["warnings"] == ["An earlier change [x] was undone."]
    assert report.exit_code == 0


def test_a_failure_is_shown_with_cause_and_next_step(capsys: pytest.CaptureFixture[str]):
    failure = Failure("node2", "vm_boot", "No ssh [1450].", "Look: virsh console node2")
    show(Report("build", "lab", failures=[failure]), as_json=False, verbose=0)
    printed = capsys.readouterr().out
    assert "node2  vm_boot  No ssh [1450]." in printed
    assert "Look: virsh console node2" in printed
    assert "\x1b" not in printed


def test_a_configuration_error_is_one_of_usage(nornir: Nornir, recorder: Recorder):
    broken = failing("node1", ConfigError("Bad."))
    run_stages(nornir, [Stage(guests, (broken,), vital=False)])
    assert recorder.failures[0].usage


SKIPPED = Check("mpi.init", "node1", ok=None, measured="not probed: why", expected="")


@pytest.mark.parametrize(("checks", "code"), [([SKIPPED], 1), ([SKIPPED, GOOD], 0), ([], 0)])
def test_checks_that_were_all_skipped_prove_nothing(checks: list[Check], code: int):
    assert Report("verify", "lab", checks=checks).exit_code == code


def test_failures_with_one_cause_are_counted_after_the_first(capsys):
    many = [
        Check(
            "reach.icmp", f"node{one}", ok=False, measured="no answer", expected="", cause="Gone."
        )
        for one in range(20)
    ]
    show(Report("verify", "lab", checks=[*many, BAD]), as_json=False, verbose=0)
    printed = capsys.readouterr().out
    assert printed.count("measured: no answer") == 6
    assert "reach.icmp: 14 more with this cause, on node6, node7" in printed
    assert "Raise it." in printed


def test_failures_stand_in_the_order_of_the_steps_and_the_sites_hosts():
    session = Session("build", Options(site=str(ROOT / "inventory/lab")))
    recorder, hosts = session.recorder, ["server1", "server2", "node1"]
    recorder.rows = {name: Row(name, 0.0, 1.0) for name in ("preflight", "vm_boot")}
    expected = [Failure(host, stage, "no", "") for stage in recorder.rows for host in hosts]
    recorder.failures = list(reversed(expected))
    assert session.report().failures == expected
