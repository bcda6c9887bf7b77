from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address
from pathlib import Path

import pytest

from farswitch.errors import ConfigError
from farswitch.model.field_types import PortRange
from farswitch.model.pin import Pin
from farswitch.model.settings import Image, LabNetworks, Mpi, Settings
from farswitch.site.find import find_site
from farswitch.site.loader import ROOT, load_site

EVERYTHING = f"""
data:
  cluster: hpc-1
  vni_base: 7
  udp_port: 8472
  mtu: 1400
  switch: {{program: {{command: [mine, '{{ports}}'], stop: 1}}}}
  switches: {{flat: bridge, two: {{program: {{command: [two, "{{ports}}"]}}}}}}
  impairments: {{"a[1-2]": {{to_guest: {{loss: 1 %}}}}, b7: {{from_guest: rate 1Gbit}}}}
  data_network: 172.16.0.0/16
  management_network: 172.17.0.0/20
  memory: 1024
  vcpus: 2
  pin: {{vcpus: 2-9, emulator: 0, numa: 0, hugepages: true}}
  disk: 8
  image: {{source: https://images.example.net/a.qcow2, sha256: {"a" * 64}}}
  firewall: narrow
  anti_spoof: true
  management_forwarding: true
  user: alice
  uid: 1500
  share: /srv/data
  mpi: {{launcher_ports: 30000-30009, payload_ports: 31000-31999}}
  boot_timeout: 60
  boots_at_once: 4
  pool: vms
  pool_path: /srv/vms
"""
SETTINGS = Settings(
    cluster="hpc-1",
    vni_base=7,
    udp_port=8472,
    mtu=1400,
    switch={"program": {"command": ["mine", "{ports}"], "stop": 1}},
    switches={"flat": "bridge", "two": {"program": {"command": ["two", "{ports}"]}}},
    impairments={"a[1-2]": {"to_guest": "loss 1%"}, "b7": {"from_guest": "rate 1Gbit"}},
    data_network=IPv4Network("172.16.0.0/16"),
    management_network=IPv4Network("172.17.0.0/20"),
    memory=1024,
    vcpus=2,
    pin=Pin(vcpus=tuple(range(2, 10)), emulator=(0,), numa=0, hugepages=True),
    disk=8,
    image=Image(source="https://images.example.net/a.qcow2", sha256="a" * 64),
    firewall="narrow",
    anti_spoof=True,
    management_forwarding=True,
    user="alice",
    uid=1500,
    share="/srv/data",
    mpi=Mpi(launcher_ports=PortRange(30000, 30009), payload_ports=PortRange(31000, 31999)),
    boot_timeout=60,
    boots_at_once=4,
    pool="vms",
    pool_path="/srv/vms",
)
HOSTS = """
server1:
  hostname: 2001:db8::1
  groups: [hypervisor]
  port: 2222
  data: {key_file: keys/one, local: true}
server2: {hostname: b.example, groups: [switch], data: {underlay: "2001:db8::2"}}
server3: {hostname: "2001:db8::3", username: carol, groups: [hypervisor]}
a[1-2]: {groups: [guest], data: {hypervisor: server3}}
b7: {groups: [guest]}
"""
GROUPS = """
hypervisor: {username: bob, port: 22, data: {key_file: /k, known_hosts: ~/hosts}}
"""


@pytest.fixture
def rich_site(site_folder: Path) -> Path:
    (site_folder / "defaults.yaml").write_text(EVERYTHING)
    (site_folder / "hosts.yaml").write_text(HOSTS)
    (site_folder / "groups.yaml").write_text(GROUPS)
    return site_folder


def test_every_setting_can_be_set(rich_site):
    settings = load_site("site").settings
    assert settings == SETTINGS
    default = Settings(cluster="x")
    same = {
        name for name in Settings.model_fields if getattr(settings, name) == getattr(default, name)
    }
    assert same == {"lab"}


def test_what_is_left_out_has_the_models_default(site_folder):
    (site_folder / "defaults.yaml").write_text("data: {cluster: x}\n")
    assert load_site("site").settings == Settings(cluster="x")


def test_mtu_auto_leaves_it_to_the_underlay():
    keys = Settings.model_validate({"cluster": "x", "mtu": "auto"})
    assert keys.mtu is None


def test_a_host_goes_before_its_group(rich_site):
    one, three = load_site("site").hypervisors
    assert (one.user, one.port, one.key_file) == ("bob", 2222, rich_site / "keys/one")
    assert (three.user, three.port, three.key_file) == ("carol", 22, Path("/k"))
    assert (one.local, three.local) == (True, False)


def test_a_home_folder_is_expanded(rich_site, monkeypatch):
    monkeypatch.setenv("HOME", "/home/alice")
    assert load_site("site").hypervisors[0].known_hosts == Path("/home/alice/hosts")


def test_the_underlay_is_the_hostname_when_that_is_an_address(rich_site):
    site = load_site("site")
    found = [server.underlay for server in site.servers]
    assert found == [IPv6Address(f"2001:db8::{n}") for n in (1, 3, 2)]


def test_a_guest_runs_on_the_hypervisor_that_it_names_or_the_first(rich_site):
    guests = [(guest.name, guest.hypervisor) for guest in load_site("site").guests]
    assert guests == [("a1", "server3"), ("a2", "server3"), ("b7", "server1")]


def test_the_group_of_guests_may_name_the_hypervisor(rich_site):
    with (rich_site / "groups.yaml").open("a") as file:
        file.write("guest: {data: {hypervisor: server3}}\n")
    assert {guest.hypervisor for guest in load_site("site").guests} == {"server3"}


def test_a_relative_image_starts_at_the_site(site_folder):
    image = f"image: {{source: a.qcow2, sha256: {'a' * 64}}}"
    (site_folder / "defaults.yaml").write_text(f"data:\n  cluster: x\n  {image}\n")
    assert load_site("site").settings.image.source == str(site_folder / "a.qcow2")


def test_the_lab_is_the_default_site_and_says_that_it_is_the_lab():
    site = load_site("inventory/lab")
    networks = LabNetworks(
        controller_network=IPv4Network("198.51.100.0/24"),
        underlay_network=IPv4Network("203.0.113.0/24"),
    )
    assert site.lab == networks
    assert [str(server.underlay) for server in site.servers] == ["203.0.113.11", "203.0.113.12"]
    assert [guest.name for guest in site.guests] == ["node1", "node2", "node3"]


def test_the_example_is_valid_and_no_lab():
    site = load_site("inventory/example")
    assert site.lab is None
    assert site.switch.underlay == IPv4Address("198.51.100.22")
    assert site.guests[-1].name == "node08"


@pytest.mark.parametrize("name", ["lab", "inventory/lab", str(ROOT / "inventory/lab")])
def test_a_site_is_found_by_name_and_path_from_any_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_site(name) == ROOT / "inventory/lab"


def test_the_current_folder_goes_before_the_project(site_folder):
    site_folder.rename(site_folder.with_name("lab"))
    assert find_site("lab") == site_folder.with_name("lab")


def test_the_users_own_sites_go_before_those_of_the_package(site_folder, tmp_path, monkeypatch):
    own = tmp_path / "config/farswitch/inventory/lab"
    own.parent.mkdir(parents=True)
    site_folder.rename(own)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert find_site("lab") == own
    assert find_site("example") == ROOT / "inventory/example"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_site("lab") == ROOT / "inventory/lab"
    (tmp_path / "config").rename(tmp_path / ".config")
    assert find_site("lab") == tmp_path / ".config/farswitch/inventory/lab"


def test_a_home_that_nobody_has_is_no_traceback(site_folder):
    with pytest.raises(ConfigError, match="'~nobody-here/x' is no site"):
        load_site("~nobody-here/x")
