"""Which checks are made, and how programs are told of them."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from farswitch.errors import ConfigError
from farswitch.proof.check import Check, skipped
from farswitch.proof.probe import Probe
from farswitch.run.junit import check_writable, render
from farswitch.run.rows import Failure
from farswitch.run.selection import select, wanted
from tasks.checks import probes
from workflows.verify import command

PROBES = (
    Probe("guests", {"mtu.exact": "."}, lambda _task, _scene: ()),
    Probe("head", {"mpi.init": ".", "path.once": "."}, lambda _task, _scene: ()),
    Probe("head", {"attack.arp": "."}, lambda _task, _scene: (), asked=True),
)


def runs(only: str) -> list[str]:
    """Return the first checks of the probes that run with `--only`."""
    chosen = select(probes(), only=only)
    return [next(iter(one.checks)) for one in wanted(probes(), chosen)]


@pytest.mark.parametrize(
    "only", ["mpi", "path.once", "mtu.exact", "tunnel.fdb", "guest.nfs", "control"]
)
def test_guests_that_do_not_answer_are_found_out_before_they_are_worked_with(only: str) -> None:
    found = runs(only)
    assert found[0] == "server.ready"
    assert found.index("guest.running") < len(found) - 1


def test_guests_are_left_alone_where_only_servers_are_asked() -> None:
    assert runs("server.sysctl,tunnel.ends") == ["server.ready", "server.sysctl", "tunnel.ends"]


@pytest.mark.parametrize(
    ("only", "skip", "asked", "chosen"),
    [
        pytest.param("", "", [], "mtu.exact mpi.init path.once", id="all-but-the-asked"),
        pytest.param("", "", ["attack"], "mtu.exact mpi.init path.once attack.arp", id="attack"),
        pytest.param("path", "", [], "path.once", id="a-family"),
        pytest.param("mtu.exact, path", "", [], "mtu.exact path.once", id="names-and-families"),
        pytest.param("attack", "", [], "attack.arp", id="only-is-asking"),
        pytest.param("mtu", "", ["attack"], "mtu.exact attack.arp", id="both"),
        pytest.param("", "mpi,mtu.exact", [], "path.once", id="skip"),
    ],
)
def test_only_and_skip_choose(only: str, skip: str, asked: list[str], chosen: str) -> None:
    assert select(PROBES, only=only, skip=skip, asked=asked) == set(chosen.split())


@pytest.mark.parametrize(
    ("only", "skip", "sentence"),
    [
        ("pth", "", "--only: there is no check or family 'pth'; the families are mtu, mpi, path"),
        ("", "mtu.exakt", "--skip: there is no check or family 'mtu.exakt'"),
        ("mtu", "mtu", "leave no check"),
    ],
)
def test_a_choice_that_cannot_be_meant_is_refused(only: str, skip: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        select(PROBES, only=only, skip=skip)


def test_list_names_every_check_and_touches_nothing() -> None:
    told = CliRunner().invoke(command, ["--list"])
    assert told.exit_code == 0
    names = {line.split()[0] for line in told.output.splitlines()}
    assert names == {name for probe in probes() for name in probe.checks}


@pytest.mark.parametrize("options", [["--only", "nothing"], ["--junit", "/nowhere/at/all.xml"]])
@pytest.mark.log_tells("^ERROR ")
def test_a_bad_option_ends_with_2_before_anything_is_touched(options: list[str]) -> None:
    told = CliRunner().invoke(command, options)
    assert told.exit_code == 2
    assert "Error: " in told.output
    assert "Traceback" not in told.output


def test_junit_has_a_suite_a_family_and_a_case_a_check() -> None:
    checks = [
        Check("mtu.exact", "node1", ok=True, measured="1450 passes", expected="1450"),
        Check("mtu.exact", "node2", ok=False, measured="1400", expected="1450", cause="A hop."),
        skipped("mpi.init", "node1", "'mtu.exact' failed"),
    ]
    failures = [Failure("server2", "preflight", "It is gone.\x1b[31m", "Look.")]
    root = ET.fromstring(render(checks, failures, 12.34))
    assert [(suite.get("name"), suite.get("tests")) for suite in root] == [
        ("mtu", "2"),
        ("mpi", "1"),
        ("run", "1"),
    ]
    mtu, mpi, run = root
    assert (mtu.get("failures"), mtu.get("skipped"), mpi.get("skipped")) == ("1", "0", "1")
    failed = mtu.find("testcase[@classname='mtu.exact.node2']/failure")
    assert failed is not None
    assert (failed.get("message"), "A hop." in (failed.text or "")) == ("1400", True)
    assert mtu.find("testcase[@classname='mtu.exact.node1']/failure") is None
    assert mpi.find("testcase/skipped") is not None
    error = run.find("testcase/error")
    assert error is not None
    assert error.get("message") == "It is gone.\N{REPLACEMENT CHARACTER}[31m"


def test_a_file_that_can_be_written_is_taken(tmp_path: Path) -> None:
    check_writable(tmp_path / "verify.xml")


def test_what_an_earlier_run_wrote_is_no_result_of_this_one(tmp_path: Path) -> None:
    earlier = tmp_path / "verify.xml"
    earlier.write_text("<testsuites/>")
    check_writable(earlier)
    assert earlier.read_text() == ""
