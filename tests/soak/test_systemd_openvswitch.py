"""A switch server of Debian's kernel: Open vSwitch's datapath in it, and a program as a unit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from farswitch.deadline import Deadline, wait_until
from tests.soak.conftest import rewrite
from tests.soak.ground import Ground
from tests.soak.machine import Machine

pytestmark = [pytest.mark.root, pytest.mark.soak]
Told = Callable[[str], None]
SCRIPT = Path(__file__).parents[2] / "examples/switch.py"
PROGRAM = {"file": str(SCRIPT), "command": ["python3", "{file}", "{ports}"], "ready": "^ready"}
APART = PROGRAM | {"container": True}
UNITS = "systemctl list-units --plain --no-legend --state=running 'farswitch-fsk-switch-*'"
DAEMON = "cat /run/openvswitch/ovs-vswitchd.pid"


def choose(ground: Ground, switch: object) -> None:
    """Have the site name a switch, and others to be exchanged for it."""
    named = json.dumps({"mine": {"program": PROGRAM}, "apart": {"program": APART}})
    text = f"switch: {json.dumps(switch)}\n  switches: {named}\n"
    path = ground.cluster.site / "defaults.yaml"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(("  switch", "  boot_timeout"))]
    path.write_text("".join([*kept, f"  {text}"]), encoding="utf-8")


def proved(ground: Ground) -> None:
    """Find nothing wrong but that the guests stand still."""
    run = ground.run("verify", "--only", "server,tunnel")
    failed = {check["name"] for check in run.document["checks"] if check["ok"] is False}
    assert failed == {"guest.running"}, run.said


def used(ground: Ground, name: str) -> str:
    """Put a switch in use, and return in which order that was done."""
    run = ground.use(name)
    assert run.status == 0, run.said + json.dumps(run.document)
    ground.talk()
    return str(run.document["exchange"]["order"])


def masters(far: Machine) -> set[str]:
    """Return what holds the tunnels."""
    links = json.loads(far.run("ip -j link"))
    return {str(one.get("master")) for one in links if one["ifname"].startswith("fsv")}


def test_the_kernels_datapath_carries_and_gives_way(ground: Ground, far: Machine, told: Told):
    before = far.state()
    choose(ground, "openvswitch")
    ground.converges()
    assert masters(far) == {"ovs-system"}
    assert "system@ovs-system" in far.run("ovs-appctl dpctl/show")
    assert len(far.run("ovs-vsctl list-ports fso8001").split()) == 2
    proved(ground)
    orders = [used(ground, name) for name in ("bridge", "openvswitch", "mine", "openvswitch")]
    assert orders[0] == orders[1] == "break before make"
    assert masters(far) == {"ovs-system"}
    used(ground, "apart")
    assert far.run(UNITS).count("farswitch-fsk-switch-") == 1
    assert "fsx8001" in far.run("ip -n farswitch-fsk -br link")
    proved(ground)
    ground.converges()
    assert masters(far) == {"ovs-system"}
    assert far.run(f"{UNITS}; ip netns list") == ""
    ground.goes()
    assert far.state() == before
    told("Open vSwitch's kernel datapath built, exchanged five times and torn down")


def test_a_site_leaves_the_kernels_datapath_by_a_build(ground: Ground, far: Machine, told: Told):
    before = far.state()
    for switch, holder in (
        ("openvswitch", {"ovs-system"}),
        ("bridge", {"fss8001"}),
        ("openvswitch", {"ovs-system"}),
        ({"openvswitch": {"datapath": "netdev"}}, {"fsn8001", "fsn8002"}),
        ("openvswitch", {"ovs-system"}),
        ({"program": PROGRAM}, {"fsn8001", "fsn8002"}),
    ):
        choose(ground, switch)
        ground.converges()
        assert masters(far) == holder, switch
    assert far.run("ovs-vsctl list-br") == ""
    ground.goes()
    assert far.state() == before
    told("the kernel's datapath left by builds for a bridge, the daemon's and a program")


def test_the_kernels_datapath_outlives_its_daemon(ground: Ground, far: Machine, told: Told):
    before = far.state()
    choose(ground, "openvswitch")
    ground.converges()
    daemon = far.run(DAEMON)
    far.run(f"kill -9 {daemon}")
    wait_until(
        lambda: far.run(f"{DAEMON}; true") not in ("", daemon),
        Deadline(120),
        what="What systemd starts anew",
    )
    wait_until(
        lambda: re.search(r"fsv8002", far.run("ovs-vsctl list-ports fso8001; true")),
        Deadline(60),
        what="The ports",
    )
    ground.talk()
    assert ground.run("build").changed == 0
    rewrite(ground.cluster.site / "defaults.yaml", "switch: .openvswitch.", "switch: bridge")
    ground.converges()
    ground.goes()
    assert far.state() == before
    told("ovs-vswitchd killed with its ports in the kernel, then left for a bridge")
