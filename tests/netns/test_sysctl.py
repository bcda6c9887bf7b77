"""The kernel settings in a network namespace, with an /etc of its own."""

import json

import pytest

from farswitch.errors import ForeignObjectError
from farswitch.state.journal import tidy
from farswitch.sysctl.converge import converge
from farswitch.sysctl.files import SYSCTL_FILE, UDEV_FILE, WANTED

pytestmark = pytest.mark.root
FORWARD = "net.ipv4.ip_forward"
CALL = "net.bridge.bridge-nf-call-iptables"


def read(box, key):
    return box.run(("cat", f"/proc/sys/{key.replace('.', '/')}")).stdout.strip()


def put(box, key, value):
    box.run(("sh", "-c", 'echo "$2" >"/proc/sys/$1"', "put", key.replace(".", "/"), value))


def state(box):
    files = box.run(("sh", "-c", "find /etc /var/lib | sort; cat /etc/sysctl.conf")).stdout
    return {key: read(box, key) for key in WANTED}, files


def test_build_sets_all_and_teardown_gives_back(box):
    before = state(box)
    assert before[0][CALL] == "1"
    plan = converge(box, "lab")
    assert {key: read(box, key) for key in WANTED} == WANTED
    assert len(plan.changes) == len(plan.values) + 2
    converge(box, "lab", present=False)
    assert state(box) == before


def test_second_run_changes_nothing(box):
    converge(box, "lab")
    now = state(box)
    assert converge(box, "lab").changes == ()
    assert state(box) == now
    converge(box, "lab", present=False)
    gone = state(box)
    assert converge(box, "lab", present=False).changes == ()
    assert state(box) == gone


@pytest.mark.parametrize("builds", [True, False])
@pytest.mark.parametrize("cut", ["journal.json", "99-farswitch.conf"])
def test_a_file_that_a_power_cut_left_half_written_goes(box, monkeypatch, builds, cut):
    before, write = state(box), box.write

    def until_the_cut(path, content, **options):
        return put_half(box, path) if path.endswith(cut) else write(path, content, **options)

    with monkeypatch.context() as patch:
        patch.setattr(box, "write", until_the_cut)
        with pytest.raises(OSError, match="power"):
            converge(box, "lab")
    if builds:
        converge(box, "lab")
    converge(box, "lab", present=False)
    tidy(box)
    assert state(box) == before
    assert box.run(("find", "/var/lib/farswitch"), check=False).status != 0


def put_half(box, path):
    box.run(("mkdir", "-p", path.rpartition("/")[0]))
    box.run(("touch", f"{path}.farswitch.4194305"))  # above the highest number of a process
    raise OSError("power")


def test_dry_run_tells_but_does_not_touch(box):
    before = state(box)
    assert f"~ {CALL} 1 -> 0" in converge(box, "lab", dry_run=True).changes
    assert state(box) == before


@pytest.mark.parametrize("first", ["lab", "other"])
def test_last_owner_gives_back(box, first):
    last = {"lab": "other", "other": "lab"}[first]
    before = state(box)
    converge(box, "lab")
    converge(box, "other")
    converge(box, first, present=False)
    assert {key: read(box, key) for key in WANTED} == WANTED
    content = box.read(SYSCTL_FILE).decode()
    assert f"farswitch:{last}" in content
    assert f"farswitch:{first}" not in content
    converge(box, last, present=False)
    assert state(box) == before


def test_value_of_somebody_else_is_kept_and_told(box):
    put(box, CALL, "0")
    converge(box, "lab")
    put(box, CALL, "1")
    plan = converge(box, "lab", present=False)
    assert read(box, CALL) == "1"
    assert any(CALL in note and "stays" in note for note in plan.notes)


def test_foreign_change_that_a_build_overrode_comes_back(box):
    put(box, FORWARD, "1")
    converge(box, "lab")
    put(box, FORWARD, "0")
    assert converge(box, "lab").changes == (f"~ {FORWARD} 0 -> 1",)
    converge(box, "lab", present=False)
    assert read(box, FORWARD) == "0"


def test_file_without_our_mark_is_refused_before_anything(box):
    box.write(SYSCTL_FILE, b"# mine\n")
    before = state(box)
    with pytest.raises(ForeignObjectError, match=r"99-farswitch\.conf"):
        converge(box, "lab")
    assert state(box) == before


def test_file_says_what_holds_after_a_reboot(box):
    converge(box, "lab")
    lines = box.read(SYSCTL_FILE).decode().splitlines()
    settings = dict(line.split(" = ") for line in lines if not line.startswith("#"))
    assert settings == WANTED
    assert SYSCTL_FILE in box.read(UDEV_FILE).decode()


def test_setting_that_another_file_undoes_is_told(box):
    box.run(("sh", "-c", f"echo {FORWARD}=0 >>/etc/sysctl.conf"))
    (note,) = converge(box, "lab").notes
    assert FORWARD in note
    assert "'/etc/sysctl.conf'" in note


def test_teardown_without_journal_removes_our_files(box):
    converge(box, "lab")
    box.run(("rm", "-r", "/var/lib/farswitch"))
    converge(box, "lab", present=False)
    assert box.read(SYSCTL_FILE) is None
    assert box.read(UDEV_FILE) is None


def test_intent_is_written_before_the_effect(box):
    box.run(("sh", "-c", "mount -t tmpfs -o ro none /var/lib"))
    before = {key: read(box, key) for key in WANTED}
    with pytest.raises(Exception, match="journal"):
        converge(box, "lab")
    assert {key: read(box, key) for key in WANTED} == before
    box.run(("umount", "/var/lib"))
    converge(box, "lab")
    claims = json.loads(box.read("/var/lib/farswitch/journal.json"))["claims"]
    assert claims[f"sysctl:{CALL}"]["saved"] == ["1"]
