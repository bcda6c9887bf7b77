"""Domains, against libvirt's test driver."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from farswitch.connections.libvirt.domains import LibvirtError
from farswitch.connections.libvirt.plugin import Hypervisor

DOMAIN = """\
<domain type='test'><name>{name}</name><memory>1024</memory><os><type>hvm</type></os>
<metadata>{metadata}</metadata></domain>"""


def mark(cluster: str, guest: str) -> str:
    return f'<f:mark xmlns:f="urn:farswitch:1" cluster="{cluster}" guest="{guest}"/>'


def define(hypervisor: Hypervisor, name: str, metadata: str = "") -> None:
    hypervisor.define(DOMAIN.format(name=name, metadata=metadata))


def test_an_unknown_domain_is_none(hypervisor):
    assert hypervisor.domain("node1") is None


def test_a_domain_goes_from_defined_to_running_to_off_to_forgotten(hypervisor):
    define(hypervisor, "node1")
    assert hypervisor.domain("node1").state == "shut off"
    assert not hypervisor.domain("node1").active
    assert hypervisor.start("node1")
    assert hypervisor.domain("node1").state == "running"
    assert hypervisor.domain("node1").active
    assert hypervisor.destroy("node1")
    assert hypervisor.domain("node1").state == "shut off"
    assert hypervisor.undefine("node1")
    assert hypervisor.domain("node1") is None


def test_a_suspended_domain_is_known_and_its_memory_can_be_discarded(hypervisor):
    assert not hypervisor.is_suspended("node1")
    define(hypervisor, "node1")
    hypervisor.start("node1")
    assert not hypervisor.discard_suspended("node1")
    hypervisor.connection().lookupByName("node1").managedSave()
    assert hypervisor.is_suspended("node1")
    assert hypervisor.discard_suspended("node1")
    assert not hypervisor.is_suspended("node1")
    assert hypervisor.undefine("node1")


def test_what_is_done_already_is_no_error(hypervisor):
    define(hypervisor, "node1")
    hypervisor.start("node1")
    assert not hypervisor.start("node1")
    hypervisor.destroy("node1")
    assert not hypervisor.destroy("node1")
    hypervisor.undefine("node1")
    assert not hypervisor.undefine("node1")
    assert not hypervisor.destroy("node1")


def test_our_mark_is_read_back_and_others_have_none(hypervisor):
    define(hypervisor, "lab-node1", mark("lab", "node1"))
    define(hypervisor, "other")
    ours, other = hypervisor.list_domains()
    assert (ours.name, ours.cluster, ours.guest) == ("lab-node1", "lab", "node1")
    assert (other.name, other.cluster, other.guest) == ("other", None, None)
    assert ours.persistent


def test_an_error_names_the_server_and_the_domain(hypervisor, capfd):
    with pytest.raises(LibvirtError, match=r"'server1'.*'nobody'") as caught:
        hypervisor.start("nobody")
    assert "virsh start nobody" in caught.value.hint
    assert capfd.readouterr().err == ""


def test_many_threads_share_one_connection(hypervisor):
    def life(number: int) -> str:
        name = f"node{number}"
        define(hypervisor, name, mark("lab", name))
        hypervisor.start(name)
        state = hypervisor.domain(name)
        hypervisor.destroy(name)
        return state.guest if state.state == "running" else "-"

    with ThreadPoolExecutor(16) as pool:
        names = list(pool.map(life, range(100)))
    assert names == [f"node{number}" for number in range(100)]
    assert len(hypervisor.list_domains()) == 100


def test_the_states_of_all_domains_are_one_answer(hypervisor):
    define(hypervisor, "node1")
    define(hypervisor, "node2")
    hypervisor.start("node1")
    assert hypervisor.states() == {"node1": "running", "node2": "shut off"}
