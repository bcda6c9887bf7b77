"""What a teardown does, in which order, and when it leaves all or the record alone."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from nornir.core.inventory import Host
from nornir.core.task import MultiResult, Result

from farswitch.errors import FarswitchError
from farswitch.leftovers.orphans import Leftovers, Times
from farswitch.model.settings import Settings
from farswitch.run.recorder import Recorder
from farswitch.site.loader import ROOT
from farswitch.site.state_folder import login_folder
from farswitch.state.document import NewerDocumentError
from workflows import teardown
from workflows.teardown import nameless, stages

NOTHING = Leftovers((), frozenset(), {}, (), (), {}, frozenset(), Times(0, 0, {}), libvirt=False)
NEWER = NewerDocumentError("The record 'x' on server 's1'", 99, 2)
HYPERVISOR = SimpleNamespace(name="s1", has_parent_group=lambda name: name == "hypervisor")
SWITCH = SimpleNamespace(name="s2", has_parent_group=lambda name: name == "switch")
SITE = Settings(cluster="a")
STEPS = [
    "vm_remove", "image_remove", "switch_remove", "impairments", "links", "firewall_reset",
    "guard", "matrix", "sysctl", "record",
]  # fmt: skip


def run(by_server: dict[str, Leftovers], *, errors=(), fails="", **how):
    """Return the steps that were done and the servers of each.

    The errors were recorded before, of steps on 's1'; the step that `fails` has the last of them.
    """
    recorder = Recorder()

    def failed(name: str, error: Exception) -> None:
        result = MultiResult(name)
        result.append(Result(None, failed=True, exception=error))
        recorder.subtask_instance_completed(SimpleNamespace(name=name), Host("s1"), result)

    for error in errors:
        failed("find_leftovers", error)
    session = SimpleNamespace(recorder=recorder, hosts=lambda _on: [HYPERVISOR, SWITCH])
    done = {}
    for stage in stages(session, "a", **how):
        (step,) = stage.steps
        done[step.name] = [host.name for host in (HYPERVISOR, SWITCH) if stage.on(host)]
        if step.name == "find_leftovers":
            recorder.results |= {("find_leftovers", name): here for name, here in by_server.items()}
        if step.name == fails:
            failed(step.name, errors[-1])
    return done


@pytest.mark.parametrize("site", [None, SITE])
@pytest.mark.parametrize("libvirt", [False, True])
def test_the_record_goes_last_and_guests_where_libvirt_runs_or_should(site, libvirt: bool):
    done = run({"s1": NOTHING, "s2": replace(NOTHING, libvirt=libvirt)}, site=site)
    assert list(done) == ["find_leftovers", *STEPS]
    assert done["vm_remove"] == done["image_remove"] == (["s1", "s2"] if libvirt else ["s1"])
    assert all(done[name] == ["s1", "s2"] for name in STEPS[2:])


def test_an_image_can_be_kept():
    assert "image_remove" not in run({"s1": NOTHING}, keep_image=True)


def test_a_server_of_the_site_that_nobody_could_look_at_is_cleaned_all_the_same():
    done = run({"s2": NOTHING}, site=SITE)
    assert done["vm_remove"] == ["s1"]
    assert list(done)[1:] == STEPS
    assert all(done[name] == ["s1", "s2"] for name in STEPS[2:])


def test_without_a_site_a_server_that_nobody_could_look_at_is_left_alone():
    done = run({"s2": replace(NOTHING, libvirt=True)})
    assert list(done) == ["find_leftovers", *STEPS]
    assert all(done[name] == ["s2"] for name in STEPS)


@pytest.mark.parametrize("site", [None, SITE])
@pytest.mark.parametrize("fails", ["find_leftovers", *STEPS[:-1]])
def test_the_record_stays_as_long_as_something_else_may(fails, site):
    """Also where the report has the failure already."""
    done = run({"s1": NOTHING}, errors=[FarswitchError("No.")], fails=fails, site=site)
    assert list(done) == ["find_leftovers", *STEPS[:-1]]


def test_what_failed_before_the_teardown_of_a_cluster_keeps_no_record():
    assert list(run({"s1": NOTHING}, errors=[FarswitchError("No.")]))[1:] == STEPS


def test_nothing_is_touched_of_what_a_newer_release_built():
    by_server = {"s1": replace(NOTHING, newer={"a": NEWER}), "s2": NOTHING}
    with pytest.raises(NewerDocumentError, match="record 'x'"):
        run(by_server)
    with pytest.raises(NewerDocumentError):
        run({"s2": NOTHING}, errors=[NEWER])
    other = {"s1": replace(NOTHING, newer={"b": NEWER})}
    assert list(run(other))[1:] == STEPS


def test_what_bears_no_name_goes_by_its_pool_and_its_first_vni():
    left = replace(NOTHING, pools=("p", "q"), strays=(7, 9))
    steps = [stage.steps[0] for stage in nameless({"s1": left, "s2": replace(left, pools=("p",))})]
    assert [(one.name, *one.arguments.values()) for one in steps[:2]] == [
        ("image_remove", "p"),
        ("image_remove", "q"),
    ]
    owners = [one.arguments["owner"] for one in steps[2:]]
    assert [(owner.cluster, owner.vni_base) for owner in owners] == [("", 7), ("", 9)]
    assert not any("farswitch:a:n1".startswith(f"{owner.mark}:") for owner in owners)


@pytest.mark.parametrize(
    ("options", "title", "forgotten"),
    [
        pytest.param((), "teardown of cluster 'lab' done", {"lab"}, id="the-sites"),
        pytest.param(
            ("--cluster", "lab"), "teardown of cluster 'lab' done", {"lab"}, id="the-sites-by-name"
        ),
        pytest.param(("--cluster", "prod"), "teardown of cluster 'prod' done", set(), id="another"),
        pytest.param(("--orphans",), "teardown done", set(), id="a-list"),
        pytest.param(("--dry-run",), "teardown of cluster 'lab' done", set(), id="dry-run"),
    ],
)
def test_with_the_lab_down_the_login_to_its_own_cluster_goes_alone(
    options, title: str, forgotten: set[str], monkeypatch, tmp_path
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(teardown, "lab_is_gone", lambda _session: True)
    for name in ("lab", "prod"):
        login_folder(name).mkdir(parents=True)
    options = ("--site", str(ROOT / "inventory/lab"), *options)
    done = CliRunner().invoke(teardown.command, options)
    assert (done.exit_code, title in done.output) == (0, True), done.output
    assert {name for name in ("lab", "prod") if not login_folder(name).exists()} == forgotten
