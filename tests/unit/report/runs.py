"""Runs to make reports of: a build and a verify as the lab's are, with figures of our own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from farswitch.run.run_document import Change, Run, RunGuest, RunInterface, RunServer, Work

BOOT = {"start": 0.6, "ssh": 8.2, "system": 1.1, "nics": 0.1}


def guests(count: int) -> list[RunGuest]:
    return [
        RunGuest(
            name=f"node{number}",
            hypervisor="server1",
            vni=40 + number,
            data_address=f"10.0.0.{10 + number}",
            management_address=f"10.10.0.{10 + number}",
        )
        for number in range(1, count + 1)
    ]


def interface(what: str, name: str, mtu: int, *offloads: str) -> RunInterface:
    return RunInterface(what=what, name=name, mtu=mtu, offloads=list(offloads))


def servers(count: int = 3) -> list[RunServer]:
    facts = {"device": "eth1", "mtu": 1500, "accelerator": "qemu", "memory": 20480, "disk": 81920}
    under = interface("underlay", "eth1", 1500, "tx", "tso", "gso", "gro")
    vnis = range(41, 41 + count)
    own = [interface("tunnel", f"fsv{vni}", 1450, "tx", "tso", "gso", "gro") for vni in vnis]
    taps = [interface("tap", f"fsd{vni}", 1450) for vni in vnis]
    ports = [interface("port", one.name, one.mtu, *one.offloads) for one in own]
    versions = {"kernel": "6.1.0-9-amd64", "nft": "1.0.6 (Lester Gooch #5)"}
    more = {"libvirt": "9.0.0", "QEMU": "7.2.9"}
    return [
        RunServer(name="server1", role="hypervisor", address="198.19.0.11", **facts,
                  versions=versions | more, interfaces=[under, *own, *taps]),
        RunServer(name="server2", role="switch", address="198.19.0.12", **facts,
                  versions=versions, interfaces=[under, *ports],
                  switch={"kind": "program", "command": "/opt/mine/switch '{ports}'"}),
    ]  # fmt: skip


def work(step: str, host: str, began: float, seconds: float, **more: Any) -> Work:
    return Work(
        step=step, host=host, began=began, seconds=seconds, **{"changed": 0, "failed": False} | more
    )


def report(workflow: str, **more: Any) -> dict[str, Any]:
    return {
        "workflow": workflow, "cluster": "lab", "ok": True, "changed": 0, "failed": 0, "skipped": 0,
        "seconds": 14.0, "dry_run": False, "stages": [], "notes": [], "warnings": [],
        "failures": [], "checks": [],
    } | more  # fmt: skip


def run(**more: Any) -> Run:
    fields: dict[str, Any] = {
        "name": "20261129T100000Z-build-lab",
        "started": datetime(2026, 11, 29, 10, tzinfo=UTC),
        "release": "0.1.0",
        "python": "Python 3.11.2 on Linux",
        "packages": {"nornir": "3.5.0", "libvirt-python": "12.8.0"},
        "site": "lab",
        "image": "farswitch.base-farswitch-0123456789ab",
        "settings": {"cluster": "lab", "mtu": None, "firewall": "reset"},
        "servers": servers(),
        "guests": guests(3),
        "timeline": [],
        "changes": [],
        "report": report("build"),
    }
    return Run(**fields | more)


def build(count: int = 3) -> Run:
    """A build: both servers looked at, their network made, then each guest booted in its time."""
    timeline = [
        work("preflight", "server1", 0.1, 1.2),
        work("preflight", "server2", 0.1, 0.7),
        work("record", "server1", 1.4, 0.3, changed=1),
        work("bridge", "server1", 1.8, 0.2, changed=count),
        work("vxlan", "server1", 2.0, 0.2, changed=count),
        work("vxlan", "server2", 1.8, 0.1, changed=count),
    ]
    for number in range(1, count + 1):
        node, slower = f"node{number}", 0.4 * number
        parts = BOOT | {"ssh": BOOT["ssh"] + slower}
        boot = sum(parts.values())
        timeline.append(work("vm_boot", node, 2.3, boot, changed=1, parts=parts))
        timeline.append(work("mtu", node, 2.3 + boot, 0.2))
    stages = [
        {"name": "preflight", "hosts": 2, "changed": 0, "failed": 0, "seconds": 1.2},
        {"name": "vm_boot", "hosts": count, "changed": count, "failed": 0, "seconds": 11.2},
    ]
    return run(
        servers=servers(count),
        guests=guests(count),
        timeline=timeline,
        changes=[Change(step="bridge", host="server1", lines=["+ bridge fsb41", "+ bridge fsb42"])],
        report=report("build", changed=3 * count + 1, stages=stages),
    )


def check(name: str, host: str, *, ok: bool | None = True, **more: str) -> dict[str, Any]:
    words = {"measured": "as it should be", "expected": "so", "cause": "", "fix": "", "hint": ""}
    return {"name": name, "host": host, "ok": ok} | words | more


def verify(count: int = 3, **more: Any) -> Run:
    """A verify with one failure and one skip, and figures of each pair."""
    names = [guest.name for guest in guests(count)]
    pairs = [
        {"from": one, "to": other, "latency_us": 180.0 + row, "bandwidth_mbit": 900.0 - column}
        for row, one in enumerate(names)
        for column, other in enumerate(names)
        if one != other
    ]
    failed = check(
        "mtu.hops", "server2", ok=False, measured="eth1 1400", expected="1500 or more",
        hint="The NIC is set too small.\nFix: ip link set eth1 mtu 1500",
    )  # fmt: skip
    checks = [check("reach.icmp", name) for name in names]
    checks += [
        failed,
        check("nfs.share", "node1", ok=None, measured="not probed: 'mtu.hops' failed"),
    ]
    return run(
        name="20261129T101500Z-verify-lab",
        guests=guests(count),
        timeline=[work("reach", name, 0.5, 2.0) for name in names],
        report=report(
            "verify", ok=False, failed=1, skipped=1, checks=checks, mpi=pairs,
            conclusion="It is not proved that any byte crossed the switch.",
        ),
        **more,
    )  # fmt: skip
