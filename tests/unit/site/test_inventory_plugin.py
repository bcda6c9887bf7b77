from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nornir import InitNornir
from nornir.core import Nornir
from nornir.core.filter import F
from nornir.core.plugins.connections import ConnectionPluginRegister

from farswitch.errors import ConfigError
from farswitch.site.loader import ROOT
from farswitch.site.nornir_data import (
    cluster_of,
    fence_of,
    site_of,
)
from farswitch.site.plugin import fill_in_keys, register, resize


class Recorder:
    """A connection that notes how it is opened and closed."""

    def __init__(self) -> None:
        self.closed = False

    def open(self, *args: Any, **given: Any) -> None:
        self.connection = given["extras"]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def nornir(tmp_path, monkeypatch) -> Nornir:
    monkeypatch.chdir(tmp_path)
    register()
    register()
    return InitNornir(config_file=str(ROOT / "config.yaml"))


def test_the_hosts_are_the_servers_and_the_guests(nornir):
    groups = {name: host.groups[0].name for name, host in nornir.inventory.hosts.items()}
    assert groups == {
        "server1": "hypervisor",
        "server2": "switch",
        "node1": "guest",
        "node2": "guest",
        "node3": "guest",
    }
    assert list(nornir.filter(F(groups__contains="guest")).inventory.hosts) == [
        "node1",
        "node2",
        "node3",
    ]


def test_the_inventory_carries_the_models(nornir):
    cluster = cluster_of(nornir.inventory)
    assert [server.name for server in cluster.servers] == ["server1", "server2"]
    assert [guest.name for guest in cluster.guests] == ["node1", "node2", "node3"]
    assert site_of(nornir.inventory).name == cluster.name == "lab"


def test_hosts_carry_plain_data_for_filters_and_templates(nornir):
    hosts = nornir.inventory.hosts
    assert list(nornir.filter(F(role="guest") & F(vni__ge=42)).inventory.hosts) == [
        "node2",
        "node3",
    ]
    keys = ("role", "index", "vni", "data_address", "management_address", "hypervisor", "cluster")
    assert [hosts["node2"][key] for key in keys] == [
        "guest", 2, 42, "10.0.0.12", "10.10.0.12", "server1", "lab",
    ]  # fmt: skip
    server = hosts["server2"]
    assert (server["role"], server["cluster"]) == ("switch", "lab")
    assert server["underlay"] == str(cluster_of(nornir.inventory).switch.underlay)


def test_a_guest_is_reached_as_root_through_its_hypervisor_with_the_clusters_keys(nornir):
    hosts = nornir.inventory.hosts
    login = hosts["node1"].get_connection_parameters("shell")
    assert (login.hostname, login.port, login.username) == ("10.10.0.11", 22, "root")
    fence = fence_of(nornir.inventory)
    plain = {"name": "node1", "jump": hosts["server1"], "fence": fence}
    assert login.extras == {**plain, "host_key": "", "private_key": ""}
    public = {"node1": "ssh-ed25519 AAAA", "node2": "ssh-ed25519 BBBB"}
    fill_in_keys(nornir.inventory, "private", public)
    for name, host_key in public.items():
        extras = hosts[name].get_connection_parameters("shell").extras or {}
        assert (extras["host_key"], extras["private_key"]) == (host_key, "private")


@pytest.mark.parametrize("name", ["server1", "server2"])
def test_a_servers_connections_have_complete_extras(nornir, name: str):
    host = nornir.inventory.hosts[name]
    server = cluster_of(nornir.inventory).server(name)
    given = {
        "name": name,
        "local": False,
        "key_file": server.key_file,
        "known_hosts": server.known_hosts,
        "fence": fence_of(nornir.inventory),
    }
    options = {name: options.extras for name, options in host.connection_options.items()}
    del options["netmiko"]
    assert options == {"shell": given, "netlink": given, "libvirt": given}


def test_netmiko_checks_each_hosts_key_and_goes_through_the_hypervisor(nornir, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    register()
    hosts = InitNornir(config_file=str(ROOT / "config.yaml")).inventory.hosts
    for host in hosts.values():
        extras = host.get_connection_parameters("netmiko").extras or {}
        assert extras["ssh_strict"]
        assert extras["system_host_keys"] is not extras["alt_host_keys"]
    login = hosts["node2"].get_connection_parameters("netmiko")
    assert (login.hostname, login.username, login.platform) == ("node2", "root", "linux")
    named = {key: value for key, value in (login.extras or {}).items() if str(value)[0] == "/"}
    assert named == {
        "key_file": "/state/farswitch/clusters/lab/id_ed25519",
        "alt_key_file": "/state/farswitch/clusters/lab/known_hosts",
        "ssh_config_file": "/state/farswitch/clusters/lab/ssh_config",
    }


def test_nothing_is_written_into_the_current_folder(nornir, tmp_path):
    nornir.run(task=lambda task: None)
    assert list(tmp_path.iterdir()) == []


def initialized(**options: Any) -> Nornir:
    register()
    chosen = {"plugin": "FarswitchInventory", "options": options}
    return InitNornir(inventory=chosen, logging={"enabled": False})


def test_the_number_of_guests_is_an_option():
    assert list(initialized(site="inventory/lab", nodes=5).inventory.hosts)[-1] == "node5"


def test_a_bad_site_is_a_config_error(site_folder: Path):
    (site_folder / "hosts.yaml").write_text("")
    with pytest.raises(ConfigError, match="there is no hypervisor"):
        initialized(site="site")


@pytest.mark.parametrize("nodes", [1, 2, 4, 244])
def test_resize_keeps_hosts_that_stay_and_makes_the_new_cluster_the_inventorys(nornir, nodes):
    before = dict(nornir.inventory.hosts)
    wanted = resize(nornir.inventory, nodes)
    hosts = nornir.inventory.hosts
    assert list(hosts) == ["server1", "server2", *(f"node{n}" for n in range(1, nodes + 1))]
    assert all(hosts[name] is host for name, host in before.items() if name in hosts)
    assert cluster_of(nornir.inventory) is wanted


def test_resize_closes_the_connections_of_guests_that_go(nornir, monkeypatch):
    monkeypatch.setitem(ConnectionPluginRegister.available, "shell", Recorder)
    hosts = dict(nornir.inventory.hosts)
    for host in hosts.values():
        host.get_connection("shell", nornir.config)
    opened = {name: host.connections["shell"] for name, host in hosts.items()}
    resize(nornir.inventory, 2)
    assert [name for name, one in opened.items() if one.closed] == ["node3"]


def test_resize_to_what_cannot_be_changes_nothing(nornir):
    before = dict(nornir.inventory.hosts)
    with pytest.raises(ConfigError, match="The number of guests is 245, wanted a number from 1"):
        resize(nornir.inventory, 245)
    assert nornir.inventory.hosts == before
