"""Runs that are kept on the controller: written whole, found by a word, never too many."""

import json
import stat
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from farswitch.errors import ConfigError
from farswitch.guests.server_facts import Facts
from farswitch.links.offloads import InterfaceFacts
from farswitch.links.underlay import Underlay
from farswitch.model.cluster import cluster
from farswitch.run import runs
from farswitch.run.cli import Options
from farswitch.run.recorder import Recorder
from farswitch.run.run_document import Run, run_of
from farswitch.run.session import Session
from farswitch.run.teardown_options import TeardownOptions
from farswitch.site.loader import ROOT, load_site
from farswitch.state.document import NewerDocumentError
from tests.schemas import assert_fits
from tests.unit.report.runs import build, interface, report, run, verify
from workflows.report import command as report_command
from workflows.runs import command as runs_command

BEGAN = datetime(2026, 11, 29, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "farswitch/runs"


def keep(one: Run) -> Run:
    runs.save(one)
    return one


def test_a_run_comes_back_as_it_was_kept_and_is_its_owners_alone(state):
    one = keep(build())
    assert runs.load() == one
    (path,) = state.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_runs_of_one_second_have_names_of_their_own():
    first = runs.new_name(BEGAN, "build", "lab")
    assert first == "20261129T100000Z-build-lab"
    keep(run(name=first))
    assert runs.new_name(BEGAN, "build", "lab") == f"{first}-2"
    assert runs.new_name(BEGAN, "teardown", "") == "20261129T100000Z-teardown"


def test_the_oldest_runs_go(monkeypatch):
    monkeypatch.setattr(runs, "KEPT", 3)
    names = [runs.new_name(BEGAN + timedelta(seconds=one), "build", "lab") for one in range(5)]
    for name in names:
        keep(run(name=name))
    assert runs.run_names() == names[:1:-1]


def test_a_word_is_a_name_a_beginning_or_a_workflow():
    first, second = keep(build()), keep(verify())
    assert runs.load("") == second
    assert runs.load("build") == first
    assert runs.load("verify") == second
    assert runs.load("20261129T100000Z") == first
    assert runs.load(first.name) == first
    with pytest.raises(ConfigError, match="no run 'teardown'"):
        runs.load("teardown")
    name = runs.new_name(BEGAN + timedelta(seconds=9), "switch-use", "lab")
    third = keep(run(name=name))
    assert runs.load("switch-use") == runs.load("switch") == third
    with pytest.raises(ConfigError, match="no run 'switch-u'"):
        runs.load("switch-u")


def test_a_file_that_is_no_run_is_named_and_left_out_of_the_list(state):
    one = keep(build())
    (state / "20261129T110000Z-build-lab.json").write_text("{")
    (state / "20261129T120000Z-build-lab.json").write_text(json.dumps({"version": 1, "name": 3}))
    assert list(runs.load_all()) == [one]
    with pytest.raises(ConfigError, match=r"is no run of farswitch: 'name'"):
        runs.load("20261129T120000Z")
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        runs.load(str(state / "none.json"))


def test_a_run_of_a_newer_release_is_refused(state):
    keep(build())
    (path,) = state.iterdir()
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 2}))
    with pytest.raises(NewerDocumentError, match="has version 2"):
        runs.load()


def test_the_list_has_a_line_a_run_and_one_clusters_alone():
    keep(build())
    keep(run(name="20261129T110000Z-build-own", report=report("build", cluster="own")))
    said = CliRunner().invoke(runs_command, [])
    assert said.exit_code == 0
    assert [line.split()[0] for line in said.output.splitlines()] == [
        "Run", "20261129T110000Z-build-own", "20261129T100000Z-build-lab",
    ]  # fmt: skip
    listed = json.loads(CliRunner().invoke(runs_command, ["--cluster", "own", "--json"]).stdout)
    assert [one["run"] for one in listed["runs"]] == ["20261129T110000Z-build-own"]


@pytest.mark.log_tells("There is no run yet")
def test_without_any_run_the_list_says_where_they_would_be(state):
    said = CliRunner().invoke(runs_command, [])
    assert (said.exit_code, said.output) == (0, f"There is no run in {state}.\n")
    said = CliRunner().invoke(report_command, [])
    assert said.exit_code == 2
    assert "There is no run yet" in said.output


@pytest.mark.log_tells("cannot be written: No such file")
def test_a_report_is_written_where_one_wants_it(tmp_path):
    keep(build())
    said = CliRunner().invoke(report_command, ["build", "--output", str(tmp_path / "a.html")])
    assert said.exit_code == 0
    assert (tmp_path / "a.html").read_text().startswith("<!doctype html>")
    printed = CliRunner().invoke(report_command, ["--output", "-"])
    assert printed.stdout.rstrip().endswith("</html>")
    nowhere = CliRunner().invoke(report_command, ["--output", str(tmp_path / "none/a.html")])
    assert nowhere.exit_code == 2
    assert "cannot be written: No such file" in nowhere.output


@pytest.mark.log_tells("only two of one kind can be compared")
def test_two_runs_of_one_kind_are_compared(tmp_path):
    first = keep(build())
    second = keep(run(name="20261129T110000Z-build-lab", report=report("build", seconds=30.0)))
    said = CliRunner().invoke(report_command, ["--compare", first.name, second.name])
    assert said.exit_code == 0
    assert ["time", "in", "all", "14.0", "s", "30.0", "s", "2.14"] in [
        line.split() for line in said.output.splitlines()
    ]
    same = CliRunner().invoke(report_command, ["--compare", first.name, first.name])
    assert "Nothing differs by more than runs do." in same.output
    page = tmp_path / "a.html"
    both = ["--compare", first.name, second.name, "--output"]
    assert CliRunner().invoke(report_command, [*both, str(page)]).exit_code == 0
    assert ">2.14<" in page.read_text()
    assert CliRunner().invoke(report_command, [*both, "-"]).stdout == page.read_text() + "\n"
    made = json.loads(CliRunner().invoke(report_command, [*both, str(page), "--json"]).stdout)
    assert_fits("report", made)
    assert made["page"] == str(page)
    other = keep(verify())
    refused = CliRunner().invoke(report_command, ["--compare", first.name, other.name])
    assert refused.exit_code == 2
    assert "only two of one kind" in refused.output


@pytest.mark.parametrize(
    "arguments", [["a", "b"], ["--compare", "a"], ["--compare", "a", "b", "c"]]
)
def test_arguments_that_cannot_be_meant_end_with_2(arguments):
    assert CliRunner().invoke(report_command, arguments).exit_code == 2


def test_a_run_without_a_site_is_kept_with_its_report_and_is_a_page(tmp_path):
    inventory = TeardownOptions(cluster="mine", server=("root@198.51.100.1",)).inventory()
    with Session("teardown", Options(), inventory=inventory) as session:
        assert session.finish(cluster="mine") == 0
    kept = runs.load()
    assert (kept.workflow, kept.cluster, kept.servers, kept.guests) == ("teardown", "mine", [], [])
    page = str(tmp_path / "a.html")
    assert CliRunner().invoke(report_command, ["--output", page]).exit_code == 0


def test_what_a_look_at_a_server_found_is_in_the_run_whichever_step_looked():
    site = load_site(str(ROOT / "inventory/lab"))
    wanted = cluster(site, 1)
    tx, none = InterfaceFacts("fsv41", 1450, ("tx",)), InterfaceFacts("fsv41", 1450, ())
    under, other = InterfaceFacts("eth1", 1500, ("gro",)), InterfaceFacts("docker0", 1500, ())
    recorder = Recorder()
    for name, step, found in (
        ("server1", "preflight", (under,)),
        ("server2", "server", (under, tx)),
    ):
        way = Underlay(name, "eth1", wanted.server(name).underlay, 1500, 50)
        facts = Facts(way, "qemu", 4096, 8192, 2, (), (*found, other), {"kernel": "6.1"})
        recorder.results[step, name] = facts if step == "preflight" else [None, facts]
    recorder.results["interfaces", "server1"] = (under, none, other)
    made = run_of(
        recorder, report("build"), wanted, name="a", site="", started=BEGAN, began=0.0, mtu=1450,
        versions={"server1": {"QEMU": "7.2.9"}},
    )  # fmt: skip
    first, second = made.servers
    assert first.versions == {"kernel": "6.1", "QEMU": "7.2.9"}
    assert second.versions == {"kernel": "6.1"}
    underlay = interface("underlay", "eth1", 1500, "gro")
    assert first.interfaces == [underlay, interface("tunnel", "fsv41", 1450)]
    assert second.interfaces == [underlay, interface("port", "fsv41", 1450, "tx")]
    assert (made.mtu, first.memory, second.disk) == (1450, 4096, 8192)
