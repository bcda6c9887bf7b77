"""Each row edits the names of the lab's site; the sentence is what the user reads."""

from __future__ import annotations

import pytest

GUESTS = "node[1-3]: {groups: [guest]}"
A_NAME = (
    "wanted a name of 1 to 63 of a-z, 0-9 and '-', with a letter first and no '-' at the end "
    "(RFC 1123)."
)
NAMES_ROWS = {
    "name-semicolon": (4, "node[1-3]", "'a;b'", f"'a;b' cannot be a name, {A_NAME}"),
    "name-slash": (4, "node[1-3]", "a/b", f"'a/b' cannot be a name, {A_NAME}"),
    "name-space": (4, "node[1-3]", "a b", f"'a b' cannot be a name, {A_NAME}"),
    "name-upper-case": (4, "node[1-3]", "Node1", f"'Node1' cannot be a name, {A_NAME}"),
    "name-escape": (
        4,
        "node[1-3]",
        '"a\\e[1m"',
        "'a\\x1b[1m' is no node set, wanted one such as node[1-3] or a1,b7.",
    ),
    "name-64": (4, "node[1-3]", "n" * 64, f"'{'n' * 64}' cannot be a name, {A_NAME}"),
    "name-grows-too-long": (
        4,
        "node[1-3]",
        "n" * 62 + "[9-10]",
        f"'{'n' * 62}10' cannot be a name, {A_NAME}",
    ),
    "name-of-every-machine": (
        4,
        "node[1-3]",
        "localhost",
        "'localhost' is a name of every machine for itself, wanted another.",
    ),
    "server-is-a-set": (3, "server2", "server[2-3]", f"'server[2-3]' cannot be a name, {A_NAME}"),
    "group-of-nodes": (
        4,
        "node[1-3]",
        "'@all'",
        "'@all' is no node set, wanted one such as node[1-3] or a1,b7.",
    ),
    "sets-overlap": (
        5,
        GUESTS,
        f"node2: {{groups: [guest]}}\n{GUESTS}",
        "'node2' is named twice (in line 4 too), wanted each name once.",
    ),
    "set-overlaps-itself": (
        4,
        "[1-3]",
        "[1-3,2]",
        "'node[1-3,2]' names a guest twice, wanted each name once.",
    ),
    "guest-and-server": (
        4,
        "node[1-3]",
        "server[1,3]",
        "'server1' is named twice (in line 2 too), wanted each name once.",
    ),
    "key-twice": (
        4,
        "node[1-3]",
        "server2",
        "found the key 'server2' twice, wanted it once (it is in line 3 too).",
    ),
}


@pytest.mark.parametrize("case", NAMES_ROWS)
def test_a_bad_name_is_one_clear_sentence(refusal, case):
    line, old, new, sentence = NAMES_ROWS[case]
    assert f"site/hosts.yaml, line {line}: {sentence}" in refusal("hosts.yaml", old, new)
