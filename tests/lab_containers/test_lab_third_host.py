"""The third host on the lab's underlay: there while it is needed, and not a moment longer."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from farswitch.deadline import Deadline, wait_until
from farswitch.errors import FarswitchError
from farswitch.lab import bridges, container
from farswitch.lab.addresses import MEMBERS, Lab
from farswitch.lab.run import run
from farswitch.lab.third_host import attach_third_host

pytestmark = pytest.mark.root
ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from ipaddress import IPv4Network
from farswitch.lab.addresses import Lab
from farswitch.lab.third_host import attach_third_host
name, control, underlay = sys.argv[1:]
with attach_third_host(Lab(name, IPv4Network(control), IPv4Network(underlay))):
    print("there", flush=True)
    sys.stdin.read()
"""
SEND = """
import socket, sys
nic, target, source = sys.argv[1:]
frame = bytes.fromhex(target.replace(":", "") + source.replace(":", "") + "88b5") + bytes(46)
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
    raw.bind((nic, 0))
    for _ in range(50):
        raw.send(frame)
"""


def ports(lab: Lab) -> set[str]:
    return set(bridges.observe(bridges.within(lab)))


def underlay_of(lab: Lab, name: str) -> dict:
    pid = container.find(lab)[name]
    return json.loads(container.execute(pid, ["ip", "-j", "-s", "link", "show", "eth1"]))[0]


def test_its_frames_reach_both_servers_from_the_first_one_on(lab):
    before = ports(lab)
    with attach_third_host(lab) as third:
        assert len(ports(lab) - before) == 1
        assert third.address in lab.underlay
        assert third.address not in {lab.underlay_address(member).ip for member in MEMBERS}
        for member in MEMBERS:
            nic = underlay_of(lab, member.name)
            argv = ["python3", "-c", SEND, third.nic, nic["address"], third.mac]
            run([*third.prefix, *argv])
            after = underlay_of(lab, member.name)
            grown = (one["stats64"]["rx"]["packets"] for one in (after, nic))
            assert next(grown) - next(grown) >= 50
    assert ports(lab) == before


def test_two_of_them_do_not_meet(lab):
    before = ports(lab)
    with attach_third_host(lab) as one, attach_third_host(lab) as other:
        assert one.mac != other.mac
        assert len(ports(lab) - before) == 2
    assert ports(lab) == before


def test_nothing_is_left_of_it_where_its_program_is_killed(lab):
    before = ports(lab)
    settings = (lab.name, str(lab.control), str(lab.underlay))
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, *settings], cwd=ROOT, stdin=pipe, stdout=pipe
    ) as program:
        assert program.stdout.readline() == b"there\n"
        assert ports(lab) != before
        program.send_signal(signal.SIGKILL)
        program.wait(10)
    wait_until(lambda: ports(lab) == before, Deadline(10), what="The end of the third host's port")


def test_without_a_lab_there_is_none(own_lab):
    nowhere = Lab("fsnone", own_lab.control, own_lab.underlay)
    with pytest.raises(FarswitchError), attach_third_host(nowhere):
        pass
