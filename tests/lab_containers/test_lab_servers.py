"""The lab's servers, read back by the system's own programs."""

import json
import subprocess
import sys
from pathlib import Path

import libvirt
import pytest

from farswitch.deadline import Deadline, wait_until
from farswitch.lab import container, control, ready
from farswitch.lab.addresses import MEMBERS, Lab
from farswitch.lab.run import ProgramError, run
from tests.schemas import assert_fits

pytestmark = pytest.mark.root
SERVER1, SERVER2 = MEMBERS
TINY = """
<domain type='qemu'>
  <name>tiny</name><memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices><serial type='pty'><log file='/var/log/libvirt/qemu/tiny.console'/></serial></devices>
</domain>
"""


def inside(lab: Lab, name: str, *argv: str) -> str:
    return container.execute(container.find(lab)[name], argv)


def test_up_gives_servers_that_answer_and_the_second_up_changes_nothing(lab):
    assert control.status(lab).up
    assert control.up(lab) == ()


def test_each_server_has_its_addresses_and_a_full_mtu(lab):
    for member in MEMBERS:
        links = {
            one["ifname"]: one for one in json.loads(inside(lab, member.name, "ip", "-j", "a"))
        }
        for nic, want in (("eth0", lab.address(member)), ("eth1", lab.underlay_address(member))):
            have = [f"{a['local']}/{a['prefixlen']}" for a in links[nic]["addr_info"]]
            assert str(want) in have
            assert links[nic]["mtu"] == 1500
            assert links[nic]["operstate"] == "UP"


def test_the_underlay_leads_from_server_to_server(lab):
    far = str(lab.underlay_address(SERVER2).ip)
    inside(lab, "server1", "bash", "-c", f"echo > /dev/udp/{far}/9")

    def neighbour() -> str | None:
        known = json.loads(inside(lab, "server1", "ip", "-j", "neigh", "show", far, "dev", "eth1"))
        return known[0].get("lladdr") if known else None

    have = wait_until(neighbour, Deadline(5), what="The address resolution of server2")
    assert (
        have == json.loads(inside(lab, "server2", "ip", "-j", "link", "show", "eth1"))[0]["address"]
    )


@pytest.mark.parametrize("program", ["iptables-nft", "ip6tables-nft"])
@pytest.mark.parametrize("server", ["server1", "server2"])
def test_servers_drop_what_they_were_not_told_of(lab, program, server):
    rules = inside(lab, server, program, "-S").splitlines()
    assert {"-P INPUT DROP", "-P FORWARD DROP"} <= set(rules)
    assert [rule for rule in rules if rule.startswith("-A")] == [
        "-A INPUT -i lo -j ACCEPT",
        "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A INPUT -i eth0 -p tcp -m tcp --dport 22 -j ACCEPT",
    ]


@pytest.mark.parametrize("server", ["server1", "server2"])
def test_servers_show_bridged_frames_to_the_firewall_and_forward_nothing(lab, server):
    assert inside(lab, server, "sysctl", "-n", "net.ipv4.ip_forward").strip() == "0"
    if not Path("/proc/sys/net/bridge").exists():
        pytest.skip("br_netfilter is not loaded on this machine")
    keys = [f"net.bridge.bridge-nf-call-{kind}" for kind in ("iptables", "ip6tables", "arptables")]
    assert inside(lab, server, "sysctl", "-n", *keys).split() == ["1", "1", "1"]


def test_settings_of_the_whole_machine_cannot_be_written_in_a_server(lab):
    with pytest.raises(ProgramError, match="Read-only"):
        inside(lab, "server1", "sh", "-c", "cat /proc/sys/vm/swappiness > /proc/sys/vm/swappiness")
    inside(lab, "server1", "sysctl", "-w", "net.ipv4.ip_default_ttl=64")


def test_a_login_works_with_the_lab_key_and_with_no_other(lab, tmp_path):
    argv = ready.ssh_argv(lab, SERVER2)
    assert run([*argv, "hostname; id -un"]).split() == ["server2", "root"]
    other = tmp_path / "key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)])
    with pytest.raises(ProgramError, match="Permission denied"):
        run([str(other) if word == str(lab.key) else word for word in argv] + ["true"])


def test_host_keys_are_pinned_from_the_start(lab):
    scanned = run(["ssh-keyscan", "-t", "ed25519", str(lab.address(SERVER1).ip)]).split()
    assert " ".join(scanned) in lab.known_hosts.read_text().splitlines()


def test_libvirt_is_reached_over_ssh_and_runs_a_guest(lab):
    address = lab.address(SERVER1).ip
    connection = libvirt.open(
        f"qemu+libssh://root@{address}/system?keyfile={lab.key}&known_hosts={lab.known_hosts}"
        "&known_hosts_verify=normal&no_tty=1&sshauth=privkey"
    )
    try:
        assert connection.getHostname() == "server1"
        assert connection.listAllDomains() == []
        assert connection.listAllNetworks() == []
        domain = connection.createXML(TINY)
        assert "tiny" in inside(lab, "server1", "virsh", "list", "--name")
        domain.destroy()
    finally:
        connection.close()


def test_a_service_that_ends_is_started_again(lab):
    before = inside(lab, "server1", "pidof", "libvirtd").strip()
    inside(lab, "server1", "kill", "-KILL", before)
    first = container.find(lab)["server1"]
    wait_until(lambda: ready.runs_libvirt(first), Deadline(30), what="libvirt's return")
    assert inside(lab, "server1", "pidof", "libvirtd").strip() != before


def test_orphans_are_buried(lab):
    pid = inside(lab, "server2", "sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!").strip()
    assert inside(lab, "server2", "ps", "-o", "ppid=", "-p", pid).strip() == "1"
    inside(lab, "server2", "kill", pid)

    def gone() -> bool:
        return pid not in inside(lab, "server2", "ps", "-eo", "pid=").split()

    wait_until(gone, Deadline(5), what="The reaping of the orphan")


def configuration() -> dict[str, tuple[int, int, bytes]]:
    """Return inode, time and content of what a server has its own version of."""
    files = [file for file in Path("/etc").glob("host*") if file.is_file()]
    for folder in ("libvirt", "ssh", "sysctl.d", "iptables"):
        files += [file for file in Path("/etc", folder).rglob("*") if file.is_file()]
    return {str(f): (f.stat().st_ino, f.stat().st_mtime_ns, f.read_bytes()) for f in files}


def test_what_a_server_writes_or_removes_is_its_own(own_lab):
    control.down(own_lab)
    before = configuration()
    control.up(own_lab)
    inside(
        own_lab, "server2", "sh", "-c", "touch /etc/ssh/new; rm /etc/ssh/moduli; echo > /etc/hosts"
    )
    assert configuration() == before
    assert inside(own_lab, "server2", "cat", "/etc/hostname") == "server2\n"


def test_what_the_machine_has_configured_has_no_effect_in_a_server(lab):
    for folder in ("/etc/libvirt/qemu", "/var/lib/libvirt/images", "/home"):
        assert inside(lab, "server2", "ls", "-A", folder) == ""
    assert inside(lab, "server2", "ls", "/etc/sysctl.d").split() == ["10-lab.conf"]
    programs = set(inside(lab, "server2", "ps", "-eo", "comm=").split()) - {"ps"}
    programs -= {"ovs-vswitchd", "ovsdb-server"}  # where they are installed
    assert len(programs) == 2
    assert "sshd" in programs


def test_the_lab_keys_are_hidden_from_the_servers(lab):
    assert inside(lab, "server1", "ls", "-A", str(lab.state)) == ""


def test_status_names_what_is_down(lab):
    container.kill(lab, "server2")
    command = ["status", "--json", "--name", lab.name, "--control", str(lab.control),
               "--underlay", str(lab.underlay)]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "workflows.lab", *command], capture_output=True, check=False
    )
    document = json.loads(done.stdout)
    assert_fits("lab", document)
    members = {m["name"]: m for m in document["status"]["members"]}
    assert done.returncode == 1
    assert (members["server1"]["ssh"], members["server2"]["ssh"]) == (True, False)
