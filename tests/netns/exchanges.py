"""Exchanges of the switch of two built servers, also by a controller that is killed in between.

As a program it is that controller: python -m tests.netns.exchanges, with a `Killed` as its input.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from nornir.core.inventory import Defaults, Host
from pydantic import BaseModel

from farswitch.connections.shell.local import LocalShell
from farswitch.deadline import Deadline, wait_until
from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest, Server
from farswitch.model.settings import Settings
from farswitch.model.switch import Switch, parse_switch, written
from farswitch.proof.context import Context
from farswitch.remote import command
from tasks import switch_exchange
from tasks.bridge import bridge
from tasks.bridge_ports import bridge_ports
from tasks.fdb import fdb
from tasks.guard import guard
from tasks.switch import switch
from tasks.switch_exchange import Asker
from tasks.veth import veth
from tasks.vxlan import vxlan
from tests.netns.arguments import arguments
from tests.netns.built_servers import MTU, Net, pid, sh
from tests.netns.inside import NetnsEndpoint
from workflows.switch_use import beside_steps, exchange_step

ROOT = Path(__file__).parents[2]
POINTS = ("_attach", "start", "_enslave", "_prove", "confirm")
"""What of an exchange has just ended when its controller is killed; of timers, the exchange's."""


def with_switch(net: Net, adapter: Switch) -> Net:
    cluster = net.cluster.with_switch(adapter)
    return replace(net, context=replace(net.context, cluster=cluster))


def asker(net: Net) -> Asker:
    first, *others = net.cluster.guests
    host = net.context.hosts[first.name]
    return Asker(host, [str(guest.data_address.ip) for guest in others])


def exchanged(net: Net, adapter: Switch, **options: Any) -> Net:
    """Put another switch in use as `switch use` does, without the end of the old one."""
    new = with_switch(net, adapter)
    steps = beside_steps(net.cluster, new.cluster, "u0", MTU)
    options = {"asker": asker(net), "drain": 0.2} | options
    for one in (*steps, exchange_step(net.cluster, new.cluster, "u0", MTU, **options)):
        net.task("server2", one.task, **one.arguments)
    return new


def converged(net: Net) -> list[str]:
    """Leave the switch server with the cluster's switch alone; return what was changed."""
    lines = []
    for one in (guard, bridge, veth, vxlan, bridge_ports, fdb):
        done = net.task("server2", one, **arguments(one, net.cluster, "server2", mtu=MTU))
        lines += done.diff.splitlines() if done.changed else []
    done = net.task(
        "server2", switch, adapter=net.cluster.settings.switch,
        ports=net.cluster.switch_ports(MTU), owner=net.cluster.owner,
    )  # fmt: skip
    return [*lines, *done.diff.splitlines()]


def holder(net: Net) -> dict[str, str | None]:
    """Return the masters of the tunnels."""
    shown = json.loads(net.boxes["server2"].run(("ip", "-j", "link")).stdout)
    return {one["ifname"]: one.get("master") for one in shown if one["ifname"][:3] == "fsv"}


def heard(net: Net) -> bool:
    argv = command("echo", "5", "10.0.0.12")
    return json.loads(net.boxes["node1"].run(argv).stdout) == ["10.0.0.12"]


def timer_ended(net: Net) -> None:
    """Wait until the server has undone an exchange, and ended what is left, if it had to."""
    left = "ls /run/farswitch-deadman/e*.armed /run/farswitch-deadman/e*.fired 2>/dev/null || true"
    wait_until(lambda: not sh(net.boxes["server2"], left), Deadline(60), what="The timers' end")


def before_the_move(monkeypatch: pytest.MonkeyPatch, done: Callable[[], object]) -> None:
    """Have something happen when the new switch is attached, and the tunnels are about to move."""
    move = switch_exchange._Exchange._move

    def moved(self: Any) -> list[str]:
        done()
        return move(self)

    monkeypatch.setattr(switch_exchange._Exchange, "_move", moved)


class Killed(BaseModel):
    """An exchange whose controller is killed: where `point` has ended for the `time`-th time."""

    boxes: dict[str, int]
    old: Any
    new: Any
    point: str
    time: int = 1
    seconds: int


def killed_at(net: Net, adapter: Switch, point: str, time: int = 1, seconds: int = 2) -> bool:
    """Run an exchange in a process of its own and kill it; tell whether it came to that point."""
    wish = Killed(
        boxes={name: int(pid(box)) for name, box in net.boxes.items()},
        old=written(net.cluster.settings.switch),
        new=written(adapter),
        point=point,
        time=time,
        seconds=seconds,
    )
    done = subprocess.run(
        [sys.executable, "-m", __name__], input=wish.model_dump_json(), text=True, cwd=ROOT,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode in (0, -signal.SIGKILL)
    return done.returncode != 0


def _net_of(wish: Killed) -> Net:
    """Return the servers that another process has made."""
    settings = Settings(cluster="t", switch=wish.old)
    one = Server("server1", "hypervisor", "server1", ip_address("198.51.100.11"))
    two = Server("server2", "switch", "server2", ip_address("198.51.100.12"))
    guests = tuple(Guest(f"node{at}", at, "server1", settings) for at in (1, 2))
    boxes = {
        name: LocalShell(name, prefix=("nsenter", f"--target={number}", "--net", "--mount", "--"))
        for name, number in wish.boxes.items()
    }
    hosts = {}
    for name, box in boxes.items():
        hosts[name] = Host(name=name, defaults=Defaults())
        endpoint = NetnsEndpoint(name, f"/proc/{wish.boxes[name]}/ns/net")
        hosts[name].connections["netlink"] = SimpleNamespace(connection=endpoint)
        hosts[name].connections["shell"] = SimpleNamespace(connection=box)
    context = Context(Cluster(settings, (one,), two, guests), None, MTU, hosts, Path("/"), "")
    return Net(context, boxes, Path("/"))


def _of_another(args: Sequence[Any]) -> bool:
    """Tell whether a timer is started or confirmed that is not the exchange's own."""
    return any(kind in str(one) for one in args for kind in ("guard-", "ending-"))


def _killing(call: Callable[..., Any], time: int) -> Callable[..., Any]:
    left = time

    def wrapped(*args: Any, **options: Any) -> Any:
        nonlocal left
        returned = call(*args, **options)
        left -= not _of_another(args)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return returned

    return wrapped


def main() -> None:
    wish = Killed.model_validate_json(sys.stdin.read())
    where = (
        switch_exchange.rollback
        if wish.point in ("start", "confirm")
        else switch_exchange._Exchange
    )
    setattr(where, wish.point, _killing(getattr(where, wish.point), wish.time))
    exchanged(_net_of(wish), parse_switch(wish.new), seconds=wish.seconds)


if __name__ == "__main__":
    main()
