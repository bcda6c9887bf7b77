"""A new site is valid as it is written, and nothing of the user's is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from farswitch.errors import ConfigError
from farswitch.model.cluster import cluster
from farswitch.site.find import find_site
from farswitch.site.loader import load_site
from farswitch.site.new import write_site


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("server1", "server2"),
    [
        ("198.51.100.21", "198.51.100.22"),
        ("2001:db8::21", "2001:db8::22"),
        ("10.20.0.5", "10.20.2.5"),
    ],
    ids=["ipv4", "ipv6", "where-guests-would-be"],
)
def test_a_new_site_is_valid_and_found_by_its_name(here, server1, server2):
    assert write_site("hpc1", server1, server2) == Path("inventory/hpc1")
    assert find_site("hpc1") == here / "inventory/hpc1"
    site = load_site("hpc1")
    assert [str(server.underlay) for server in site.servers] == [server1, server2]
    assert [server.hostname for server in site.servers] == [server1, server2]
    assert (site.name, site.settings.cluster, site.lab) == ("hpc1", "hpc1", None)
    assert cluster(site).head.name == "node01"


def test_a_new_site_logs_in_as_the_user_that_was_named():
    write_site("hpc1", "198.51.100.21", "198.51.100.22", user="admin")
    assert {server.user for server in load_site("hpc1").servers} == {"admin"}


def test_a_name_that_yaml_takes_for_another_value_is_a_name():
    write_site("true", "198.51.100.21", "198.51.100.22", user="null")
    site = load_site("true")
    assert (site.settings.cluster, site.switch.user) == ("true", "null")


def test_a_new_site_is_explained_in_comments(here):
    write_site("hpc1", "198.51.100.21", "198.51.100.22")
    for name, text in files(here).items():
        assert text.startswith("# "), name
        assert all(len(line) <= 100 for line in text.splitlines())
        assert "{" not in text


def test_what_is_there_is_not_overwritten(here):
    write_site("hpc1", "198.51.100.21", "198.51.100.22")
    before = files(here)
    with pytest.raises(ConfigError, match="'inventory/hpc1' exists: a new site needs"):
        write_site("hpc1", "198.51.100.31", "198.51.100.32")
    assert files(here) == before


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"name": "../x"}, "'name' is '../x', wanted a name of 1 to 20"),
        ({"name": ""}, "'name' is '', wanted a name of 1 to 20"),
        ({"server1": "a.example"}, "'server1' is 'a.example', wanted an IPv4 or IPv6 address"),
        ({"server2": "127.0.0.1"}, "'server2' is '127.0.0.1', wanted an IPv4 or IPv6 address"),
        ({"user": "a b"}, "'user' is 'a b', wanted a user name"),
        (
            {"server2": "198.51.100.21"},
            "'server2' has the underlay address 198.51.100.21 of 'server1', wanted one",
        ),
        ({"server2": "2001:db8::1"}, "the underlay of 'server2' is 2001:db8::1, wanted IPv4"),
    ],
)
def test_a_value_that_cannot_be_meant_is_one_sentence_and_writes_nothing(here, changed, sentence):
    values = {"name": "x", "server1": "198.51.100.21", "server2": "198.51.100.22", **changed}
    with pytest.raises(ConfigError) as caught:
        write_site(**values)
    assert str(caught.value).startswith(sentence)
    assert files(here) == {}


def test_a_folder_that_cannot_be_written_is_named(here):
    (here / "inventory").write_text("")
    with pytest.raises(ConfigError, match=r"'inventory/x' cannot be written: .*\."):
        write_site("x", "198.51.100.21", "198.51.100.22")
