"""A switch that is a machine of its own, with systemd: its timers, its boot, and what it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from farswitch.deadline import Deadline, wait_until
from farswitch.rollback.confirmed_change import SECONDS
from tests.soak.ground import Ground
from tests.soak.machine import Machine

pytestmark = [pytest.mark.root, pytest.mark.soak]
Told = Callable[[str], None]
THEIRS = "nft list table inet theirs || true"
ARMED = "systemctl list-units --all --plain --no-legend 'farswitch-deadman-*.timer'"


def test_systemd_undoes_what_nobody_confirms(ground: Ground, far: Machine, told: Told):
    before, rules = far.state(), far.run(THEIRS)
    assert "policy drop" in rules
    ground.crash_unconfirmed("build", "server2")
    assert "policy drop" not in far.run(THEIRS)
    assert far.run(ARMED).startswith("farswitch-deadman-firewall-fsk.")
    assert far.run("pgrep -f [f]arswitch-deadman || true") == "", "no process of ours waits"
    wait_until(
        lambda: far.run(THEIRS) == rules,
        Deadline(SECONDS + 30),
        what="What the server undoes",
    )
    again = ground.run("build")
    assert again.status == 0, again.said
    wanted = "An earlier change of the firewall of 'server2' was not confirmed by a new login"
    assert sum(wanted in line for line in again.document["warnings"]) == 1
    assert far.run(ARMED) == ""
    ground.converges()
    ground.goes()
    assert far.state() == before
    told("build killed when the firewall of a switch with systemd was open, undone by its timer")


def test_a_boot_keeps_the_settings_and_a_build_mends_the_rest(
    ground: Ground, far: Machine, told: Told
):
    far.run("modprobe br_netfilter")
    before = far.state()
    ground.converges()
    log = far.run("journalctl --quiet --no-pager --unit 'farswitch-deadman-*' --output cat")
    assert "Started farswitch-deadman-firewall-fsk." in log
    assert far.run(ARMED) == ""
    settings = far.settings()
    assert "net.bridge.bridge-nf-call-iptables = 0" in settings
    far.cut()
    far.boot()
    assert far.run("sysctl -n net.ipv4.ip_forward") == "1\n"
    assert "policy drop" in far.run(THEIRS), "the machine's own, at each boot"
    assert "net.bridge.bridge-nf-call-iptables = 0" not in far.settings(), "not loaded yet"
    far.run("modprobe br_netfilter")
    wait_until(
        lambda: far.settings() == settings,
        Deadline(20),
        what="What a later load of br_netfilter brings",
    )
    ground.converges()
    ground.goes()
    assert far.state() == before
    told("power of a switch with systemd cut, then built twice and torn down")
