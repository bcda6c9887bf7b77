"""What a teardown does, in which order, and when it leaves all or the record alone."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from farswitch.leftovers.orphans import Leftovers, Times
from farswitch.model.settings import Settings
from farswitch.state.document import NewerDocumentError
from workflows.teardown import nameless, stages

NOTHING = Leftovers((), frozenset(), {}, (), (), {}, frozenset(), Times(0, 0, {}), libvirt=False)
NEWER = NewerDocumentError("The record 'x' on server 's1'", 99, 2)
HYPERVISOR = SimpleNamespace(name="s1", has_parent_group=lambda name: name == "hypervisor")
SWITCH = SimpleNamespace(name="s2", has_parent_group=lambda name: name == "switch")
STEPS = ["vm_remove", "image_remove", "links", "firewall_reset", "guard", "sysctl", "record"]


def run(by_server: dict[str, Leftovers], *, returned=(), fails="", **how):
    """Return the steps that were done and the servers of each."""
    recorder = SimpleNamespace(failures=[], returned=list(returned), results={})
    session = SimpleNamespace(recorder=recorder, hosts=lambda _on: [HYPERVISOR, SWITCH])
    done = {}
    for stage in stages(session, "a", **how):
        (step,) = stage.steps
        done[step.name] = [host.name for host in (HYPERVISOR, SWITCH) if stage.on(host)]
        if step.name == "find_leftovers":
            recorder.results |= {("find_leftovers", name): here for name, here in by_server.items()}
        if step.name == fails:
            recorder.failures.append(step.name)
    return done


def test_the_record_goes_last_and_guests_where_libvirt_runs():
    done = run({"s1": NOTHING, "s2": replace(NOTHING, libvirt=True)})
    assert list(done) == ["find_leftovers", *STEPS]
    assert done["vm_remove"] == done["image_remove"] == ["s2"]
    assert all(done[name] == ["s1", "s2"] for name in STEPS[2:])


def test_an_image_can_be_kept():
    assert "image_remove" not in run({"s1": NOTHING}, keep_image=True)


@pytest.mark.parametrize("site", [None, Settings(cluster="a")])
def test_a_hypervisor_that_nobody_could_look_at_is_cleaned_all_the_same(site):
    done = run({"s2": NOTHING}, site=site)
    assert done["vm_remove"] == ["s1"]
    assert list(done)[1:] == STEPS


@pytest.mark.parametrize("fails", ["find_leftovers", *STEPS[:-1]])
def test_the_record_stays_as_long_as_something_else_may(fails):
    assert list(run({"s1": NOTHING}, fails=fails)) == ["find_leftovers", *STEPS[:-1]]


def test_nothing_is_touched_of_what_a_newer_release_built():
    by_server = {"s1": replace(NOTHING, newer={"a": NEWER}), "s2": NOTHING}
    with pytest.raises(NewerDocumentError, match="record 'x'"):
        run(by_server)
    failed = SimpleNamespace(exception=NEWER)
    with pytest.raises(NewerDocumentError):
        run({"s2": NOTHING}, returned=[("find_leftovers", "s1", failed)])
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
