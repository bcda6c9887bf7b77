"""What an earlier release took and journaled, this one gives back: `journals/version_1.json`."""

from __future__ import annotations

from pathlib import Path

import pytest

from farswitch.state.journal import FOLDER, NAME, dump, load, parse
from farswitch.state.keys import UnknownKey
from farswitch.sysctl import converge as sysctl
from tests.netns.test_firewall import cluster_of, run, sh, state

pytestmark = pytest.mark.root

JOURNAL = Path(__file__).with_name("journals") / "version_1.json"
"""As commit d68481e wrote it when a build had taken RULES and made its settings."""
RULES = """
nft add table inet mine
nft add chain inet mine forward '{ type filter hook forward priority 0; policy drop; }'
nft add rule inet mine forward ip saddr 10.9.0.1 counter drop comment mine
nft add chain inet mine own
nft add rule inet mine own tcp dport 99 accept
iptables-legacy -N OLD
iptables-legacy -A OLD -p tcp -m tcp --dport 7 -j DROP
iptables-legacy -A INPUT -j OLD
iptables-legacy -P FORWARD DROP
ebtables-nft -A FORWARD -s 02:00:00:00:00:08 -j DROP
"""
FORWARD = "/proc/sys/net/ipv4/ip_forward"


def test_every_key_of_an_earlier_journal_is_known_and_written_as_it_was():
    content = JOURNAL.read_bytes()
    journal = parse(content)
    assert [key for key in journal.claims if isinstance(key, UnknownKey)] == []
    assert dump(journal) == content


def test_what_an_earlier_release_took_comes_back(box):
    sh(box, RULES)
    rules, forward = state(box), box.read(FORWARD)
    run(box, cluster_of())
    sysctl.converge(box, "lab")
    assert state(box) != rules
    box.write(f"{FOLDER}/{NAME}", JOURNAL.read_bytes(), mode=0o600)
    run(box, cluster_of(), present=False)
    sysctl.converge(box, "lab", present=False)
    assert state(box) == rules
    assert box.read(FORWARD) == forward
    assert box.read(f"{FOLDER}/{NAME}") is None
    assert dict(load(box).claims) == {}
