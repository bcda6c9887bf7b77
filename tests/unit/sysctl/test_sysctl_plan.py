"""The settings' plan where a server lacks keys, files or the journal."""

import pytest

from farswitch.errors import ForeignObjectError
from farswitch.state.saved_settings import Journal
from farswitch.sysctl.coupled import REDIRECTS
from farswitch.sysctl.files import (
    FOLDERS,
    SYSCTL_FILE,
    UDEV_FILE,
    WANTED,
    declared,
    render,
    undone_by,
)
from farswitch.sysctl.plan import SysctlState, plan_absent, plan_present

FORWARD, CALL = "net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables"
TAGGED = "net.bridge.bridge-nf-filter-vlan-tagged"
BARE = SysctlState({FORWARD: "0"}, {}, frozenset(FOLDERS))


def after(plan, **values):
    files = {path: text.strip() for path, text in plan.files.items() if text is not None}
    return SysctlState({FORWARD: "1", **values}, files, frozenset(FOLDERS))


def test_absent_module_is_no_error_and_the_files_cover_it():
    plan = plan_present(BARE, Journal(), "lab", server="s")
    assert plan.values == {FORWARD: "1"}
    assert set(plan.files) == {SYSCTL_FILE, UDEV_FILE}
    assert plan_present(after(plan), plan.before, "lab", server="s").changes == ()


def test_module_that_came_later_goes_back_to_what_it_is_when_loaded():
    plan = plan_present(BARE, Journal(), "lab", server="s")
    loaded = after(plan, **{CALL: "0", TAGGED: "0"})
    back = plan_absent(loaded, plan.before, "lab", server="s")
    assert back.values == {FORWARD: "0", CALL: "1"}
    assert back.after == Journal()


def test_module_that_never_came_has_nothing_to_give_back():
    plan = plan_present(BARE, Journal(), "lab", server="s")
    back = plan_absent(after(plan), plan.before, "lab", server="s")
    assert back.values == {FORWARD: "0"}
    assert back.files == {SYSCTL_FILE: None, UDEV_FILE: None}


def test_folder_that_we_made_goes_and_one_that_was_there_stays():
    bare = SysctlState({}, {}, frozenset({FOLDERS[0]}))
    plan = plan_present(bare, Journal(), "lab", server="s")
    assert plan_absent(after(plan), plan.before, "lab", server="s").folders == FOLDERS[1:]


def test_teardown_where_nothing_was_built_changes_nothing():
    plan = plan_absent(BARE, Journal(), "lab", server="s")
    assert (plan.changes, plan.after) == ((), Journal())


def test_foreign_file_is_refused():
    have = SysctlState({}, {UDEV_FILE: "# somebody's"}, frozenset(FOLDERS))
    for plan in (plan_present, plan_absent):
        with pytest.raises(ForeignObjectError, match=r"99-farswitch\.rules"):
            plan(have, Journal(), "lab", server="s")


def test_files_name_every_owner_and_all_settings():
    files = render(frozenset({"b", "a"}))
    assert all("# farswitch:a farswitch:b\n" in text for text in files.values())
    assert all(f"{key} = {value}\n" in files[SYSCTL_FILE] for key, value in WANTED.items())


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param(f"/etc/sysctl.conf {FORWARD}=0", True, id="read-last"),
        pytest.param("/etc/sysctl.conf net/ipv4/ip_forward = 0", True, id="with-slashes"),
        pytest.param("/etc/sysctl.conf net.ipv4.conf.all.forwarding=0", True, id="other-name"),
        pytest.param(f"/usr/lib/sysctl.d/99-zz.conf {FORWARD}=0", True, id="of-a-package"),
        pytest.param(f"/etc/sysctl.d/99-zz.conf -{CALL} = 1", True, id="name-after-ours"),
        pytest.param(f"/etc/sysctl.d/10-a.conf {FORWARD}=0", False, id="name-before-ours"),
        pytest.param(f"/etc/sysctl.conf {FORWARD} = 1", False, id="same-value"),
        pytest.param(f"/etc/sysctl.conf #{FORWARD}=0", False, id="comment"),
        pytest.param("/etc/sysctl.conf net.ipv6.ip_forward=0", False, id="another-key"),
    ],
)
def test_file_that_undoes_ours_is_told(line, told):
    assert (undone_by(line) is not None) == told


def test_last_file_counts_and_a_name_before_a_pattern():
    lines = [
        "/etc/sysctl.d/60-b.conf net.ipv4.conf.*.forwarding = 0",
        "/usr/lib/sysctl.d/50-a.conf net/ipv4/conf/eth1.5/forwarding = 1",
        "/etc/sysctl.conf net.ipv4.conf.eth2.forwarding=1",
        "/etc/sysctl.d/99-z.conf net.ipv4.conf.eth2.forwarding=0",
    ]
    key = "net.ipv4.conf.{}.forwarding".format
    found = declared(lines, [key("eth1/5"), key("eth2"), key("eth3"), REDIRECTS])
    assert found == {key("eth1/5"): "1", key("eth2"): "1", key("eth3"): "0"}
