"""A guest's own firewall on a real kernel: of each backend, and where a program is missing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.firewall.guest import GuestFirewallError, check_guest, observe
from tasks.checks.guest.drift import judge_firewall

pytestmark = pytest.mark.root

RULES = {
    "nft": (
        "nft add table ip own; nft add chain ip own in; nft add rule ip own in drop",
        "ip own in",
    ),
    "iptables-nft": ("ip6tables-nft -P INPUT DROP", "ip6 filter INPUT"),
    "legacy-rule": (
        "iptables-legacy -N OLD; iptables-legacy -A OLD -j DROP; iptables-legacy -I INPUT -j OLD",
        "filter OLD (iptables-legacy)",
    ),
    "legacy-policy": (
        "ip6tables-legacy -t mangle -P INPUT DROP",
        "mangle INPUT (ip6tables-legacy)",
    ),
}


@pytest.fixture
def box(boxes):
    return boxes()


def without(box: LocalShell, folder: Path, *programs: str) -> LocalShell:
    """Return a shell of the same machine that finds only these programs, and those of a look."""
    for name in ("sh", "grep", "printf", *programs):
        (folder / name).symlink_to(shutil.which(name) or "")
    return LocalShell("guest", prefix=(*box.prefix, "env", f"PATH={folder}"))


@pytest.mark.parametrize(("made", "name"), RULES.values(), ids=RULES)
def test_rules_of_every_backend_are_told_and_mended_by_the_fix(box, made, name):
    check_guest("node1", observe(box))
    box.run(("sh", "-ec", made))
    with pytest.raises(GuestFirewallError) as caught:
        check_guest("node1", observe(box))
    assert name in caught.value.found
    check = judge_firewall("node1", observe(box), "\0".join)
    assert (check.ok, name in check.measured) == (False, True)
    box.run(check.fix.split("\0"))
    assert judge_firewall("node1", observe(box), str).ok


def test_legacy_tables_that_were_never_used_are_not_made_by_looking(box):
    assert observe(box) == observe(box)
    assert box.run(("cat", "/proc/net/ip_tables_names")).stdout == ""


def test_rules_that_no_program_can_show_are_no_pass(box, tmp_path):
    """This kernel has nf_tables: without nft nobody knows what it filters."""
    box.run(("grep", "-q", " nf_tables_newtable", "/proc/kallsyms"))
    poor = without(box, tmp_path)
    assert observe(poor).unseen == ("nft",)
    box.run(("iptables-legacy", "-P", "INPUT", "DROP"))
    assert observe(poor).unseen == ("nft", "iptables-legacy")
    check = judge_firewall("node1", observe(poor), str)
    assert check.ok is False
    assert check.measured == "not looked at: the guest has no nft, iptables-legacy"


def test_an_older_iptables_is_asked_by_its_plain_name(box, tmp_path):
    box.run(("iptables-legacy", "-P", "INPUT", "DROP"))
    old = without(box, tmp_path, "nft")
    for name in ("iptables", "iptables-save"):
        (tmp_path / name).symlink_to(shutil.which(name.replace("iptables", "iptables-legacy")))
    assert observe(old).closed == ("filter INPUT (iptables)",)
