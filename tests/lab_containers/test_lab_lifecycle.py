"""Mending a lab, ending it, and refusing to make it."""

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from click.testing import CliRunner

from farswitch.errors import ConfigError, FarswitchError, ForeignObjectError
from farswitch.lab import bridges, container, control
from farswitch.lab.addresses import MEMBERS, Lab, Member
from farswitch.lab.run import run
from tests.documented import run_script
from workflows.lab import command

pytestmark = pytest.mark.root


def traces(lab: Lab) -> list[str]:
    """Return whatever bears the lab's name: links, mounts, processes, folders."""
    found = [
        one["ifname"] for one in json.loads(run(["ip", "-j", "link"])) if one["ifname"] == lab.name
    ]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            mounts = (process / "mounts").read_text()
        except OSError:
            continue
        if lab.name.encode() in words or f"/{lab.name}/" in mounts:
            found.append(f"process {process.name}")
    found += [str(folder) for folder in (lab.state, lab.run) if folder.exists()]
    return found


KINDS = ("net", "mnt", "pid", "uts", "ipc")


@contextmanager
def namespaces(lab: Lab) -> Iterator[set[int]]:
    """Yield the numbers of the lab's namespaces, which no other gets while they are open.

    All but that of the bridges, whose file cannot be open when it goes: `traces` looks for that.
    """
    pids = container.find(lab).values()
    paths = [Path(f"/proc/{pid}/ns/{kind}") for pid in pids for kind in KINDS]
    with ExitStack() as stack:
        opened = [stack.enter_context(path.open("rb")) for path in paths]
        yield {os.fstat(one.fileno()).st_ino for one in opened}


def used() -> set[int]:
    """Return the namespaces that a process is in, or that a mount keeps."""
    found = {number for path in Path("/proc").glob("[0-9]*/ns/*") if (number := _inode(path))}
    mounts = Path("/proc/self/mountinfo").read_text()
    return found | {int(number) for number in re.findall(r" \w+:\[(\d+)\] ", mounts)}


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:  # the process has ended
        return None


def inside_links(pid: int) -> bridges.Links:
    return bridges.observe(bridges.namespace(f"/proc/{pid}/ns/net"))


def test_a_killed_server_boots_again_with_its_disk(lab):
    pid = container.find(lab)["server1"]
    container.execute(pid, ["touch", "/var/lib/libvirt/images/disk", "/run/volatile"])
    macs = {name: one["address"] for name, one in inside_links(pid).items()}
    assert container.kill(lab, "server1")
    assert control.up(lab) == ("'server1' booted.", "'server1' connected.")
    kept = container.execute(
        container.find(lab)["server1"], ["ls", "/var/lib/libvirt/images", "/run"]
    )
    assert "disk" in kept
    assert "volatile" not in kept
    after = inside_links(container.find(lab)["server1"])
    assert {name: one["address"] for name, one in after.items()} == macs
    assert control.status(lab).up


def test_a_restart_keeps_the_disk_alone(lab):
    pids = container.find(lab)
    container.execute(pids["server2"], ["touch", "/etc/kept", "/run/volatile", "/tmp/volatile"])
    container.execute(pids["server2"], ["ip", "link", "add", "volatile", "type", "bridge"])
    arguments = ["restart", "server2", "--name", lab.name, "--control", str(lab.control),
                 "--underlay", str(lab.underlay)]  # fmt: skip
    done = CliRunner().invoke(command, arguments)
    assert (done.exit_code, "'server2'" in done.output) == (0, True)
    after = container.find(lab)
    assert (after["server1"], after["server2"] != pids["server2"]) == (pids["server1"], True)
    left = container.execute(after["server2"], ["ls", "/etc/kept", "/run", "/tmp"])
    assert "/etc/kept" in left
    assert "volatile" not in left
    assert "volatile" not in inside_links(after["server2"])
    container.execute(after["server2"], ["rm", "/etc/kept"])
    assert control.status(lab).up


def test_what_cannot_be_restarted_is_named(lab, monkeypatch):
    with pytest.raises(ConfigError, match="no server 'server9', it has server1, server2"):
        control.restart("server9", lab)
    monkeypatch.setattr(control, "is_lasting", lambda _storage: False)
    pid = container.find(lab)["server2"]
    with pytest.raises(FarswitchError, match="in memory"):
        control.restart("server2", lab)
    assert container.find(lab)["server2"] == pid
    container.kill(lab, "server2")
    with pytest.raises(FarswitchError, match=r"'server2' of lab .* does not run"):
        control.restart("server2", lab)


def test_a_boot_applies_what_was_made_to_last(lab):
    pid = container.find(lab)["server2"]
    setting = "echo net.ipv4.ip_forward=1 > /etc/sysctl.d/90-later.conf"
    container.execute(pid, ["sh", "-c", setting])
    container.kill(lab, "server2")
    control.up(lab)
    pid = container.find(lab)["server2"]
    assert container.execute(pid, ["sysctl", "-n", "net.ipv4.ip_forward"]).strip() == "1"
    container.execute(pid, ["rm", "/etc/sysctl.d/90-later.conf"])
    container.execute(pid, ["sysctl", "-q", "-w", "net.ipv4.ip_forward=0"])


@pytest.mark.parametrize(
    "damage",
    [
        lambda lab: run(["ip", "link", "delete", lab.link]),
        lambda lab: run(["ip", "addr", "flush", "dev", lab.link]),
        lambda lab: run(["ip", "link", "set", lab.link, "down"]),
        lambda lab: run([*bridges.within(lab), "ip", "link", "del", "server2-und"]),
        lambda lab: run([*bridges.within(lab), "ip", "link", "del", "control"]),
        lambda lab: run([*bridges.within(lab), "ip", "link", "set", "server1-ctl", "down"]),
        lambda lab: run(["umount", str(lab.bridges)]),
        lambda lab: lab.known_hosts.unlink(),
    ],
    ids=["link", "address", "link-down", "port", "bridge", "port-down", "bridges", "pins"],
)
def test_up_mends_what_is_damaged(lab, damage):
    damage(lab)
    assert control.up(lab) != ()
    assert control.status(lab).up
    assert control.up(lab) == ()


def test_a_further_server_is_only_data(lab, tmp_path):
    before = container.find(lab)
    larger = replace(lab, members=(*MEMBERS, Member("server3", 13)))
    done = run_script("three_servers.py", tmp_path, lab.name, str(lab.control), str(lab.underlay))
    assert "'server3' booted." in done.stdout, done.stderr
    assert control.status(larger).up
    assert {name: container.find(lab)[name] for name in before} == before
    container.kill(lab, "server3")


def test_down_leaves_nothing(lab):
    with namespaces(lab) as were:
        assert len(were) == 10
        assert were <= used()
        assert control.down(lab)
        assert traces(lab) == []
        assert not were & used()
    assert not control.down(lab)


@pytest.mark.parametrize(
    "half",
    [
        lambda lab: lab.state.mkdir(),
        control._make_base,
        lambda lab: (control.up(lab), run(["ip", "link", "delete", lab.link])),
        lambda lab: (control.up(lab), run(["umount", str(lab.bridges)])),
        lambda lab: (control.up(lab), container.kill(lab, "server1")),
    ],
    ids=["empty-folder", "no-server", "no-link", "no-bridges", "one-server"],
)
def test_down_ends_a_lab_of_which_half_is_there(own_lab, half):
    control.down(own_lab)
    half(own_lab)
    assert control.down(own_lab)
    assert traces(own_lab) == []


def test_a_folder_of_somebody_else_is_refused_and_kept(own_lab):
    control.down(own_lab)
    own_lab.state.mkdir()
    theirs = own_lab.state / "theirs"
    theirs.touch()
    try:
        with pytest.raises(ForeignObjectError, match=str(own_lab.state)):
            control.up(own_lab)
        control.down(own_lab)
        assert theirs.exists()
    finally:
        theirs.unlink(missing_ok=True)
        own_lab.state.rmdir()


def test_an_interface_of_somebody_else_is_refused_and_kept(own_lab):
    control.down(own_lab)
    run(["ip", "link", "add", own_lab.link, "type", "bridge"])
    try:
        with pytest.raises(ForeignObjectError, match=own_lab.link):
            control.up(own_lab)
        control.down(own_lab)
        assert own_lab.link in bridges.observe()
    finally:
        run(["ip", "link", "delete", own_lab.link])


@pytest.fixture
def office() -> Iterator[str]:
    """Return the name of somebody's bridge, with an address of 198.18.252.0/24."""
    name = f"office{os.getpid()}"[:15]
    run(["ip", "link", "add", name, "type", "bridge"])
    try:
        run(["ip", "address", "add", "198.18.252.9/24", "dev", name])
        run(["ip", "link", "set", name, "up"])
        yield name
    finally:
        run(["ip", "link", "delete", name])


@pytest.mark.parametrize("role", ["control", "underlay"])
def test_a_subnet_in_use_ends_with_code_2_and_nothing_is_made(own_lab, office, role):
    control.down(own_lab)
    used = replace(own_lab, **{role: IPv4Network("198.18.252.0/23")})
    subnets = ["--control", str(used.control), "--underlay", str(used.underlay)]
    done = CliRunner().invoke(command, ["up", "--name", used.name, *subnets])
    assert done.exit_code == 2
    for word in ("198.18.252.0/23", "198.18.252.0/24", f"'{office}'", f"--{role}"):
        assert word in done.output
    assert traces(own_lab) == []


@pytest.mark.parametrize("subnet", ["198.18.0.1/24", "nonsense", "fd00::/64"])
def test_what_is_no_subnet_ends_with_code_2(subnet):
    done = CliRunner().invoke(command, ["up", "--control", subnet])
    assert done.exit_code == 2
    assert subnet.split("/")[0] in done.output


def test_without_root_nothing_is_tried(own_lab, monkeypatch):
    control.down(own_lab)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for action in (control.up, control.down, control.status):
        with pytest.raises(ConfigError, match="root"):
            action(own_lab)
    assert traces(own_lab) == []


def test_a_lab_fits_into_a_server_of_a_lab(lab):
    """A server's root is an overlay, which no overlay accepts above itself: memory is used."""
    subnets = ("--control", "198.18.254.0/24", "--underlay", "198.19.254.0/24")
    program = [sys.executable, "-m", "workflows.lab"]
    pid = container.find(lab)["server1"]
    if container.execute(pid, ["sh", "-c", f"[ -x {sys.executable} ] || echo hidden"]):
        pytest.skip(f"{sys.executable} is below a folder that servers have of their own, as /tmp")
    environment = ["env", f"PYTHONPATH={Path(control.__file__).parents[2]}"]
    up = container.execute(
        pid, [*environment, *program, "up", "--name", "nest", *subnets], timeout=90
    )
    assert "Lab 'nest' is up" in up
    assert container.execute(pid, ["ls", "/var/lib/nest/server1"]).split() == [
        "root",
        "upper",
        "work",
    ]
    container.execute(pid, [*environment, *program, "down", "--name", "nest", *subnets])
    assert container.execute(pid, ["sh", "-c", "ls -d /run/nest /var/lib/nest || true"]) == ""
