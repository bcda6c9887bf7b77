"""The lab's settings: what is refused before anything is made."""

from ipaddress import IPv4Network

import pytest

from farswitch.errors import ConfigError
from farswitch.lab import subnets
from farswitch.lab.addresses import MEMBERS, Lab
from farswitch.lab.server_spec import ServerFile, ServerSpec, Service
from farswitch.lab.subnets import Use

CONTROL = IPv4Network("198.18.0.0/24")
UNDERLAY = IPv4Network("198.19.0.0/24")


@pytest.mark.parametrize("name", ["", "Lab", "a/b", "../x", "1lab", "x" * 16, "a b", "lab\n"])
def test_a_name_that_is_no_interface_or_folder_is_refused(name):
    with pytest.raises(ConfigError, match="cannot be used"):
        Lab(name)


def test_subnets_that_overlap_each_other_are_refused():
    with pytest.raises(ConfigError, match=r"198\.18\.0\.0/24.*198\.18\.0\.0/16"):
        Lab(control=CONTROL, underlay=IPv4Network("198.18.0.0/16"))


def test_a_subnet_too_small_for_the_servers_is_refused():
    with pytest.raises(ConfigError, match=r"198\.18\.0\.0/29"):
        Lab(control=IPv4Network("198.18.0.0/29"))


def test_every_address_follows_from_subnet_and_number():
    lab = Lab("lab", CONTROL, UNDERLAY)
    server1, server2 = MEMBERS
    assert str(lab.controller) == "198.18.0.1/24"
    assert str(lab.address(server1)) == "198.18.0.11/24"
    assert str(lab.underlay_address(server2)) == "198.19.0.12/24"


@pytest.mark.parametrize(
    ("used", "interface", "free"),
    [
        ("198.18.0.0/24", "eth0", False),
        ("198.18.0.128/25", "eth0", False),
        ("198.16.0.0/12", "tun0", False),
        ("198.19.0.0/24", "eth0", False),
        ("198.18.1.0/24", "eth0", True),
        ("198.18.0.0/24", "lab", True),
    ],
    ids=["same", "inside", "around", "underlay", "beside", "the-lab's-own"],
)
def test_a_subnet_that_the_machine_uses_is_refused_with_both_names(used, interface, free):
    lab = Lab("lab", CONTROL, UNDERLAY)
    use = Use(IPv4Network(used), interface, "a route")
    if free:
        subnets.check(lab, [use])
        return
    with pytest.raises(ConfigError) as caught:
        subnets.check(lab, [use])
    wanted = UNDERLAY if used.startswith("198.19") else CONTROL
    for word in (str(wanted), used, interface):
        assert word in str(caught.value)


@pytest.mark.parametrize("route", ["default", "0.0.0.0/1", "128.0.0.0/1"])
def test_a_default_route_is_nobodys_subnet(monkeypatch, route):
    answers = {"addr": "[]", "route": f'[{{"dst": "{route}", "dev": "tun0"}}]'}
    monkeypatch.setattr(subnets, "run", lambda argv: answers[argv[3]])
    assert subnets.observe() == []


@pytest.mark.parametrize(("interface", "there"), [("lo", True), ("if31", False)])
def test_a_route_of_an_interface_that_has_just_gone_is_none(monkeypatch, interface, there):
    answers = {"addr": "[]", "route": f'[{{"dst": "198.18.0.0/24", "dev": "{interface}"}}]'}
    monkeypatch.setattr(subnets, "run", lambda argv: answers[argv[3]])
    assert subnets.observe() == [Use(CONTROL, "lo", "a route")] * there


def test_a_member_is_told_all_through_one_text():
    spec = ServerSpec(
        hostname="server1",
        storage="/var/lib/lab/server1",
        hidden="/var/lib/lab",
        emptied=("/home",),
        files=(ServerFile(path="/etc/x", content="ä\n", mode=0o600),),
        boot=(("ip", "link"),),
        services=(Service(name="sshd", argv=("/usr/sbin/sshd", "-D")),),
    )
    assert ServerSpec.model_validate_json(spec.model_dump_json()) == spec
