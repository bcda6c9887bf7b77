"""Each row edits the roles of the lab's site; the sentence is what the user reads."""

from __future__ import annotations

import pytest

NO_MORE_PORTS = "one bridge delivers broadcasts to no more ports"
GUESTS = "node[1-3]: {groups: [guest]}"
A_ROLE = "wanted one role: [hypervisor], [switch] or [guest]."
ROLES_ROWS = {
    "no-hypervisor": (
        2,
        "hypervisor",
        "switch",
        "there is no hypervisor, wanted a server with groups: [hypervisor].",
    ),
    "two-switches": (
        3,
        "hypervisor",
        "switch",
        "'server2' is a switch like 'server1', wanted one switch.",
    ),
    "no-switch": (
        2,
        "switch",
        "hypervisor",
        "there is no switch, wanted a server with groups: [switch].",
    ),
    "two-roles": (
        2,
        "[hypervisor]",
        "[hypervisor, switch]",
        f'\'server1.groups\' is ["hypervisor", "switch"], {A_ROLE}',
    ),
    "unknown-group": (3, "[switch]", "[swich]", f"'server2.groups' is [\"swich\"], {A_ROLE}"),
    "group-no-list": (3, "[switch]", "switch", f"'server2.groups' is \"switch\", {A_ROLE}"),
    "no-group": (4, GUESTS, "node1: {}", f"'node1.groups' is missing, {A_ROLE}"),
    "host-no-mapping": (4, GUESTS, "node1:", "'node1' is empty, wanted a mapping."),
    "no-guest": (2, GUESTS, "", "there is no guest, wanted a name or set with groups: [guest]."),
    "guest-with-address": (
        4,
        "[guest]",
        "[guest], hostname: x",
        "'node[1-3].hostname' is no known key, wanted one of data, groups.",
    ),
    "guest-on-the-switch": (
        4,
        "[guest]",
        "[guest], data: {hypervisor: server2}",
        "'node[1-3].hypervisor' is 'server2', which is no hypervisor, wanted one of: server1.",
    ),
    "too-many-for-the-addresses": (
        4,
        "[1-3]",
        "[1-245]",
        "there are 245 guests, wanted 244 at most: 10.0.0.0/24 has addresses for no more.",
    ),
    "too-many-for-a-bridge": (
        4,
        "[1-3]",
        "[1-901]",
        f"'node[1-901]' names 901 guests, wanted 900 at most: {NO_MORE_PORTS}.",
    ),
}

GROUPS_ROWS = {
    "unknown-group": (
        6,
        "guest:",
        "rack:",
        "'rack' is no known key, wanted one of guest, hypervisor, switch.",
    ),
    "near-group": (6, "guest:", "guests:", "'guests' is no known key, wanted 'guest'."),
    "unknown-hypervisor": (
        6,
        "guest: {}",
        "guest: {data: {hypervisor: x}}",
        "'guest.hypervisor' is 'x', which is no hypervisor, wanted one of: server1.",
    ),
    "wrong-type": (
        6,
        "guest: {}",
        "guest: {data: {hypervisor: 3}}",
        "'guest.hypervisor' is 3, wanted the name of a hypervisor of this site.",
    ),
    "group-hostname": (
        3,
        "hypervisor:",
        "hypervisor:\n  hostname: x",
        "'hypervisor.hostname' is no known key, wanted one of data, port, username.",
    ),
}


@pytest.mark.parametrize("case", ROLES_ROWS)
def test_a_bad_role_is_one_clear_sentence(refusal, case):
    line, old, new, sentence = ROLES_ROWS[case]
    assert f"site/hosts.yaml, line {line}: {sentence}" in refusal("hosts.yaml", old, new)


@pytest.mark.parametrize("case", GROUPS_ROWS)
def test_a_bad_group_is_one_clear_sentence(refusal, case):
    line, old, new, sentence = GROUPS_ROWS[case]
    assert f"site/groups.yaml, line {line}: {sentence}" in refusal("groups.yaml", old, new)
