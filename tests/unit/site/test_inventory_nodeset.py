from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farswitch.errors import ConfigError
from farswitch.model.node_names import NAME, expand, resized

SETS = {
    "node1": ["node1"],
    "node[1-3]": ["node1", "node2", "node3"],
    "node[01-03]": ["node01", "node02", "node03"],
    "node[09-11]": ["node09", "node10", "node11"],
    "a[1-3],b7": ["a1", "a2", "a3", "b7"],
    "b7,a[1-2]": ["b7", "a1", "a2"],
    "node[1-2,5]": ["node1", "node2", "node5"],
    "node[1-9/4]": ["node1", "node5", "node9"],
    "r[1-2]n[1-2]": ["r1n1", "r1n2", "r2n1", "r2n2"],
}
REFUSED = (
    "", "@all", "node[1-3", "node]1[", "node[]", "node[3-1]", "node[1-03]", "node[-3]", "a,,b",
    "a b", "a;b", "a/b", "a!b", "a[1-3]!a2", "a&b", "*", "a[1-5/0]", "[1-3]", "node[1-999999999]",
    "node[1-9999999999999999999]", "n[1-30][1-31]", "a\n", "a[1-2]\n", "node[\u0661-\u0663]",
    "-a", "a-", "A", "a,",
)  # fmt: skip


@pytest.mark.parametrize("text", SETS)
def test_a_node_set_is_expanded_in_the_order_written(text):
    assert list(expand(text)) == SETS[text]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_node_set_is_refused(text):
    with pytest.raises(ConfigError):
        expand(text)


@settings(deadline=None)
@given(st.text(alphabet="ab019[],-/@;\u0661\n", max_size=20))
def test_any_text_is_names_or_an_error(text):
    try:
        names = expand(text)
    except ConfigError:
        return
    assert names
    assert all(NAME.fullmatch(name) for name in names)


GROWTH = [
    (["node1", "node2", "node3"], 5, ["node1", "node2", "node3", "node4", "node5"]),
    (["node1", "node2", "node3"], 2, ["node1", "node2"]),
    (["node01", "node02"], 3, ["node01", "node02", "node03"]),
    (["node99"], 2, ["node99", "node100"]),
    (["n09"], 2, ["n09", "n10"]),
    (["a1", "b7"], 3, ["a1", "b7", "b8"]),
    (["head"], 1, ["head"]),
    (["n5", "n4"], 4, ["n5", "n4", "n6", "n7"]),
    (["server2"], 2, ["server2", "server4"]),
]


@pytest.mark.parametrize(("names", "count", "wanted"), GROWTH)
def test_a_list_of_names_grows_by_its_last_number(names, count, wanted):
    assert list(resized(names, count, {"server1", "server3"})) == wanted


def test_names_without_a_number_cannot_grow():
    with pytest.raises(ConfigError, match="it ends with no number"):
        resized(["node1", "head"], 3)


def test_cluster_shell_groups_are_never_looked_up(tmp_path, monkeypatch):
    (tmp_path / "groups.conf").write_text("[Main]\ndefault: x\n[x]\nmap: echo node1\n")
    monkeypatch.setenv("CLUSTERSHELL_CFGDIR", str(tmp_path))
    with pytest.raises(ConfigError, match="is no node set"):
        expand("@rack")
