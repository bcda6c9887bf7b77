"""Does each guest run, and can it be logged in to? One that cannot is left alone from then on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from nornir.core.task import Task

from farswitch.connections.access import libvirt, shell
from farswitch.connections.libvirt.domains import DomainState
from farswitch.connections.shell.protocol import Shell
from farswitch.guests.console import tail
from farswitch.model.machines import Guest
from farswitch.proof.check import Check, skipped
from farswitch.proof.fan_out import each
from farswitch.proof.probe import Probe, Scene
from tasks.checks.guest.login_judge import (
    LOGIN,
    SSH_SECONDS,
    Dead,
    judge_login,
    judge_running,
    of_port,
)

HOSTNAME_SECONDS = 10.0
# Asked on the hypervisor, beside one another: a dead guest costs the run one deadline, not many.
_LOOK = """
import json, socket, sys, threading

seconds, addresses, said = float(sys.argv[1]), sys.argv[2:], {}

def look(address):
    said[address] = "connect"
    try:
        with socket.create_connection((address, 22), seconds) as one:
            said[address] = "silent"
            one.settimeout(seconds)
            if one.recv(4) == b"SSH-":
                said[address] = "ssh"
    except ConnectionRefusedError:
        said[address] = "refused"
    except TimeoutError:
        pass
    except OSError as error:
        if said[address] == "connect":
            said[address] = f"connect: {error.strerror}"

threads = [threading.Thread(target=look, args=(one,), daemon=True) for one in addresses]
for one in threads:
    one.start()
for one in threads:
    one.join(2 * seconds)
print(json.dumps(said))
"""


def run(task: Task, scene: Scene) -> Iterator[Check]:
    """Judge all guests of one hypervisor."""
    guests = scene.cluster.guests_of(task.host.name)
    if not guests:
        yield from (skipped(name, task.host.name, "no guest is on it") for name in PROBE.checks)
        return
    states = {state.name: state for state in libvirt(task).list_domains()}
    running = []
    for guest in guests:
        state = _state(states.get(guest.domain))
        resume = scene.command(task.host.name, ["virsh", "resume", guest.domain])
        yield judge_running(guest, state, scene.rebuild, resume)
        if state == "running":
            running.append(guest)
            continue
        why = f"its domain is {state or 'not there'}"
        scene.findings.lose(guest.name, why)
        yield skipped("guest.login", guest.name, why, LOGIN)
    found = _log_in(shell(task), scene, running)
    for guest in running:
        answer = found[guest.name]
        if isinstance(answer, Dead):
            scene.findings.lose(guest.name, answer.said)
        yield judge_login(guest, answer, scene.rebuild)


def _state(domain: DomainState | None) -> str | None:
    return domain.state if domain else None


def _log_in(server: Shell, scene: Scene, guests: Sequence[Guest]) -> dict[str, str | Dead]:
    """Look at the port of each guest, and log in where ssh shows itself."""
    addresses = {str(one.management_address.ip): one for one in guests}
    argv = ["python3", "-c", _LOOK, str(SSH_SECONDS), *addresses]
    said = json.loads(server.run(argv, timeout=3 * SSH_SECONDS + 5).stdout) if guests else {}
    found: dict[str, str | Dead] = {}
    for address, guest in addresses.items():
        found[guest.name] = of_port(guest, said.get(address, "connect")) or ""
    there = [name for name, dead in found.items() if not dead]

    def ask(name: str) -> str:
        ended = scene.shell(name).run(["hostname"], timeout=HOSTNAME_SECONDS)
        return ended.stdout.strip()

    for name, answer in each(there, ask).items():
        found[name] = answer if isinstance(answer, str) else Dead("login", str(answer))
    for guest in guests:
        seen = found[guest.name]
        if isinstance(seen, Dead):
            found[guest.name] = replace(seen, console=tail(server, guest.domain))
    return found


PROBE = Probe(
    "hypervisors",
    {
        "guest.running": "Each guest's domain runs.",
        "guest.login": "Each guest can be logged in to over management.",
    },
    run,
    each=frozenset({"guest.running", "guest.login"}),
    vital="guests",
)
