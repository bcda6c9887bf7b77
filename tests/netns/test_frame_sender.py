"""A program that sends frames ends with whoever asked it."""

from __future__ import annotations

import json
import subprocess

import pytest

from farswitch.connections.shell.local import LocalShell
from farswitch.deadline import Deadline, wait_until
from farswitch.proof.frame_counts import GAP, SendPlan
from farswitch.remote import command

pytestmark = pytest.mark.root
PAIR = "ip link add d0 type veth peer name d1; ip link set d0 up; ip link set d1 up"
TOKEN = b"\x01" * 8
FRAME = (b"\xff" * 6 + b"\x02" * 6 + b"\x88\xb5" + TOKEN + bytes(46)).hex()


def sent(machine: LocalShell) -> int:
    (link,) = json.loads(machine.run(["ip", "-j", "-s", "link", "show", "d0"]).stdout)
    return int(link["stats64"]["tx"]["packets"])


@pytest.mark.parametrize("count", [20, 2000])
def test_it_reports_what_it_sent_unless_nobody_waits_for_that(machine: LocalShell, count: int):
    machine.run(["sh", "-ec", PAIR])
    before = sent(machine)
    argv = [*machine.prefix, *command("frame_sender", TOKEN.hex(), str(GAP))]
    plan = SendPlan(streams=[("d0", count, [FRAME])]).model_dump_json() + "\n"
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as sender:
        assert sender.stdin is not None
        assert sender.stdout is not None
        sender.stdin.write(plan.encode())
        sender.stdin.flush()
        if count == 20:
            assert json.loads(sender.stdout.readline()) == {"streams": [[20, ""]]}
        else:
            wait_until(lambda: sent(machine) > before, Deadline(20), what="The first frame")
            sender.stdin.close()
            assert sender.stdout.read() == b""
            assert sent(machine) - before < count
