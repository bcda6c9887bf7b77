"""A program as the switch: real processes on plain ports, on a machine without systemd."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from nornir.core.inventory import Host

from farswitch.connections.shell.local import LocalShell
from farswitch.connections.shell.protocol import Process
from farswitch.deadline import Deadline, wait_until
from farswitch.model.owner import Owner
from farswitch.model.switch import SwitchPort
from farswitch.remote import command, source, switch_program
from farswitch.remote.switch_programs import FILES, STATES
from farswitch.switches import program_host
from farswitch.switches.program import ProgramSwitch
from farswitch.switches.program_host import ProgramStartError
from farswitch.switches.program_state import Program, ProgramState
from tests.documented import run_by

pytestmark = pytest.mark.root
ROOT = Path(__file__).parents[2]
PYTHON = str(ROOT / "examples/switch.py")
OWNER, OTHER = Owner("lab", 41), Owner("other", 61)
COUNT = 3
RUNS = "trap 'exit 0' TERM; echo ready; while :; do sleep 60 & wait $!; done"
_SEND = """
import socket, sys
near, *frames = sys.argv[1:]
plug = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
plug.bind((near, 0))
for frame in frames:
    plug.send(bytes.fromhex(frame))
"""
_LISTEN = """
import socket, sys, time
wanted, *nears = sys.argv[1:]
plugs = {}
for near in nears:
    plugs[near] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    plugs[near].setsockopt(263, 23, 1)
    plugs[near].bind((near, 3))
    plugs[near].setblocking(False)
print("listens", flush=True)
sys.stdin.readline()
found, over = set(), set()
end = time.monotonic() + 10
while time.monotonic() < end and len(over) < int(wanted):
    for near, plug in plugs.items():
        try:
            kind = plug.recv(65536)[12:14]
        except OSError:
            time.sleep(0.005)
            continue
        if kind == b"\\x88\\xb5":
            found.add(near)
        if kind == b"\\x88\\xb6":
            over.add(near)
print(*sorted(found), flush=True)
"""
_GRO_ON = """
import array, fcntl, socket, struct, sys
value = array.array("I", [0x2C, 1])  # ETHTOOL_SGRO of <linux/ethtool.h>
request = struct.pack("16sP", sys.argv[1].encode(), value.buffer_info()[0])
fcntl.ioctl(socket.socket(), 0x8946, request)
"""
TOLD, LAST = "88b5", "88b6"
"""Types of frames: what is looked for, and what comes to all behind it (IEEE 802, local)."""
ALL = "ffffffffffff"


def mac(number: int) -> str:
    return f"02fa0000{number:04x}"


def frame(to: str, sender: int, kind: str) -> str:
    return f"{to}{mac(sender)}{kind}{'00' * 46}"


def line(process: Process) -> str:
    text = b""
    while not text.endswith(b"\n"):
        block = process.read(1000)
        assert block, process.stderr_tail()
        text += block
    return text.decode().strip()


@dataclass
class Bench:
    """A server with plain ports: `fsp41`… are their near ends."""

    box: LocalShell
    host: Host
    ports: tuple[SwitchPort, ...]

    def converge(self, switch: ProgramSwitch, *, owner: Owner = OWNER) -> list[str]:
        changes = switch.plan(switch.observe(self.host, owner), self.ports, owner)
        switch.apply(self.host, owner, changes)
        return [str(change) for change in changes]

    def observe(self, switch: ProgramSwitch) -> ProgramState:
        return switch.observe(self.host, OWNER)

    def program(self) -> Program:
        (program,) = program_host.programs(self.host, OWNER.cluster)
        return program

    def arrives(self, number: int, to: str = ALL, *, up: int = COUNT - 1) -> set:
        """Send a frame into a port's near end, and return at which others it comes out."""
        nears = [f"fsp{port.vni}" for port in self.ports if port.number != number]
        listening = ["python3", "-c", _LISTEN, str(up), *nears]
        with closing(self.box.start(listening)) as listener:
            assert line(listener) == "listens"
            frames = [frame(to, number, TOLD), frame(ALL, number, LAST)]
            self.box.run(["python3", "-c", _SEND, f"fsp{40 + number}", *frames])
            listener.write(b"\n")
            found = line(listener).split()
        return {int(near.removeprefix("fsp")) - 40 for near in found}

    def left(self) -> str:
        """Return what there is of programs: processes and files."""
        look = f"find {STATES} {FILES} 2>/dev/null; true"
        files = self.box.run(["sh", "-c", look]).stdout
        token = f"{STATES}/".encode()
        found = [
            path.parent.name
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if token in _read(path) + _read(path.with_name("environ")) and self.inside(path)
        ]
        return files + " ".join(found)

    def inside(self, path: Path) -> bool:
        own = Path(f"/proc/{self.box.prefix[1].partition('=')[2]}/ns/net")
        try:
            return path.parent.joinpath("ns/net").samefile(own)
        except OSError:
            return False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.fixture
def bench(boxes) -> Iterator[Bench]:
    box = boxes()
    script = "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6\n"
    for number in range(41, 41 + COUNT):
        script += f"ip link add fsp{number} type veth peer name fsx{number}\n"
        script += f"ip link set fsp{number} up; ip link set fsx{number} up\n"
    box.run(["sh", "-ec", script])
    host = Host("server2")
    host.connections["shell"] = SimpleNamespace(connection=box)
    ports = tuple(
        SwitchPort(
            n, f"node{n}", f"fsv{40 + n}", f"fsx{40 + n}", f"02:fa:00:00:00:0{n}", 40 + n, 1450
        )
        for n in range(1, COUNT + 1)
    )
    there = Bench(box, host, ports)
    yield there
    for owner in (OWNER, OTHER):
        ProgramSwitch.remove(host, owner)
    assert there.left() == ""


def shell_switch(script: str, **settings: object) -> ProgramSwitch:
    """Return a switch that is a script of sh; its arguments are its ports."""
    return ProgramSwitch(command=["sh", "-c", script, "switch", "{ports}"], **settings)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> str:
    path = str(tmp_path_factory.mktemp("c") / "switch")
    flags = ["-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", *flags, "-o", path, str(ROOT / "examples/switch.c")], check=True)
    return path


@pytest.fixture(scope="module")
def xdp(tmp_path_factory) -> str:
    if (
        not shutil.which("clang")
        or subprocess.run(
            ["cc", "-E", "-include", "bpf/libbpf.h", "-"],
            input=b"",
            capture_output=True,
            check=False,
        ).returncode
    ):
        pytest.skip("needs clang, libbpf-dev, libelf-dev and zlib1g-dev")
    folder = tmp_path_factory.mktemp("xdp") / "xdp"
    shutil.copytree(ROOT / "examples/xdp", folder)
    subprocess.run(["make", "-C", str(folder)], check=True)
    return str(folder / "switch")


@pytest.mark.parametrize("language", ["python", "c"])
def test_an_example_forwards_and_learns(bench, language, compiled):
    file = PYTHON if language == "python" else compiled
    switch = ProgramSwitch(command=["{file}", "{ports}"], file=file, ready="^ready$")
    assert bench.converge(switch) == [f"+ program {Path(file).name} (3 ports)"]
    state = bench.observe(switch)
    assert (state.held, state.fault) == (frozenset({"fsx41", "fsx42", "fsx43"}), "")
    assert bench.arrives(1) == {2, 3}
    assert bench.arrives(2, mac(1)) == {1}, "it has learnt where node1 is"
    assert bench.arrives(3, mac(2)) == {2}
    assert bench.converge(switch) == []


@pytest.mark.parametrize("language", ["python", "c"])
def test_an_example_outlives_a_port_that_was_down(bench, language, compiled):
    file = PYTHON if language == "python" else compiled
    switch = ProgramSwitch(command=["{file}", "{ports}"], file=file, ready="ready")
    bench.converge(switch)
    before = bench.program()
    bench.box.run(["ip", "link", "set", "fsx42", "down"])
    assert bench.arrives(1, up=1) == {3}
    bench.box.run(["ip", "link", "set", "fsx42", "up"])
    assert bench.arrives(1) == {2, 3}
    assert bench.arrives(2) == {1, 3}
    assert bench.program().pid == before.pid


def test_the_example_of_xdp_forwards_and_goes_without_a_trace(bench, xdp):
    for port in bench.ports:  # without, the kernel drops what is redirected into it
        bench.box.run(["python3", "-c", _GRO_ON, f"fsp{port.vni}"])
    switch = ProgramSwitch(command=["{file}", "{ports}"], file=xdp, ready="^ready$")
    bench.converge(switch)
    assert bench.arrives(1) == {2, 3}
    assert bench.arrives(2, mac(1)) == {1}
    bench.box.run(["kill", "-KILL", str(bench.program().pid)])
    assert "killed by signal 9" in bench.observe(switch).fault
    assert "xdp" not in bench.box.run(["ip", "link"]).stdout


def test_the_ports_are_described(bench):
    switch = ProgramSwitch(
        command=["sh", "-c", f'cat "$FARSWITCH_PORTS" >/run/seen; echo "$@" >/run/args; {RUNS}',
                 "x", "{ports}", "--ports={ports_file}"],
        ready="ready",
    )  # fmt: skip
    bench.converge(switch)
    seen = json.loads(bench.box.read("/run/seen"))
    (shown,) = run_by(__file__)
    assert seen[0] == json.loads(shown.text.replace(", ...", ""))[0]
    assert [port["device"] for port in seen] == ["fsx41", "fsx42", "fsx43"]
    folder = f"{STATES}/lab/{bench.program().id}"
    args = bench.box.read("/run/args").decode().split()
    assert args == ["fsx41", "fsx42", "fsx43", f"--ports={folder}/ports.json"]
    assert bench.box.run(["stat", "-c", "%a", folder]).stdout == "700\n"


def test_one_that_ends_at_its_start_is_named_with_its_last_words(bench):
    with pytest.raises(ProgramStartError) as caught:
        bench.converge(shell_switch("echo no such option >&2; exit 3", ready="ready"))
    assert re.fullmatch(
        r"The program 'sh' of cluster 'lab' ended with exit code 3 0\.\d s after its start; "
        r"its last words: no such option \('box\d+'\)\.",
        str(caught.value),
    )
    assert caught.value.program.ended == 3
    assert bench.left() == ""


def test_one_without_ready_that_ends_within_a_second_has_failed(bench):
    with pytest.raises(ProgramStartError, match="ended with exit code 0"):
        bench.converge(shell_switch("exit 0"))
    assert bench.left() == ""
    assert bench.converge(shell_switch(RUNS)) == ["+ program sh (3 ports)"]
    assert bench.program().ready_after >= switch_program.SETTLED


def test_one_that_does_not_exist_is_named(bench):
    with pytest.raises(
        ProgramStartError, match=r"'/no/such' of .* could not be started: .*No such"
    ):
        bench.converge(ProgramSwitch(command=["/no/such"]))
    assert bench.left() == ""


def test_one_that_is_never_ready_is_ended(bench):
    switch = shell_switch(RUNS.replace("ready", "almost"), ready="^ready", ready_timeout=1)
    with pytest.raises(ProgramStartError) as caught:
        bench.converge(switch)
    assert "is not ready after 1 s: no line of its output matches '^ready'" in str(caught.value)
    assert "its last words: almost" in str(caught.value)
    assert bench.left() == ""


def test_a_killed_program_is_named_and_started_anew(bench):
    switch = shell_switch(RUNS, ready="ready")
    bench.converge(switch)
    bench.box.run(["kill", "-KILL", str(bench.program().pid)])
    state = bench.observe(switch)
    assert state.held == frozenset()
    assert "program 'sh' of cluster 'lab' was killed by signal 9 (SIGKILL)" in state.fault
    (line,) = bench.converge(switch)
    assert line.startswith("~ program sh: started anew, as the old one was killed by signal 9")
    assert bench.observe(switch).fault == ""


def test_a_killed_supervisor_takes_the_program_along_and_is_named(bench):
    switch = shell_switch(RUNS, ready="ready")
    bench.converge(switch)
    folder = f"{STATES}/lab/{bench.program().id}"
    state = json.loads(bench.box.read(f"{folder}/state.json"))
    bench.box.run(["kill", "-KILL", str(state["supervisor"]["pid"])])
    pid = state["program"]["pid"]
    wait_until(
        lambda: switch_program.started(pid) != state["program"]["start"],
        Deadline(10), what="The program's end",
    )  # fmt: skip
    assert "ended with its supervisor, which was killed" in bench.observe(switch).fault
    (line,) = bench.converge(switch)
    assert "ended with its supervisor" in line
    assert bench.observe(switch).fault == ""


def test_a_pid_that_another_process_has_is_not_taken_for_the_program(bench):
    switch = shell_switch(RUNS, ready="ready")
    bench.converge(switch)
    path = f"{STATES}/lab/{bench.program().id}/state.json"
    state = json.loads(bench.box.read(path))
    bench.box.run(["kill", "-KILL", str(state["supervisor"]["pid"])])
    for process in ("supervisor", "program"):
        state[process]["pid"] = 1
    bench.box.write(path, json.dumps(state).encode())
    assert "ended with its supervisor" in bench.observe(switch).fault


def test_a_flood_of_output_is_bounded_and_the_program_goes_on(bench, tmp_path):
    program = tmp_path / "flood.py"
    program.write_text(
        "import os, sys, threading\n"
        "def flood():\n"
        "    line = b'x' * 99 + b'\\n'\n"
        "    for _ in range(1000):\n"
        "        os.write(1, line * 1000)\n"
        "    os.write(1, b'flooded\\n')\n"
        "threading.Thread(target=flood, daemon=True).start()\n" + Path(PYTHON).read_text()
    )
    switch = ProgramSwitch(
        command=["python3", "{file}", "{ports}"], file=str(program), ready="ready"
    )
    bench.converge(switch)
    assert bench.arrives(1) == {2, 3}
    words = wait_until(
        lambda: bench.program().words if "flooded" in bench.program().words else None,
        Deadline(60), what="The end of the flood",
    )  # fmt: skip
    assert words.endswith("flooded\n")
    folder = f"{STATES}/lab/{bench.program().id}"
    assert int(bench.box.run(["du", "-sb", folder]).stdout.split()[0]) < 100_000
    assert bench.arrives(1) == {2, 3}
    assert bench.observe(switch).fault == ""


def test_an_unchanged_one_is_left_alone_and_a_changed_one_is_replaced(bench, tmp_path):
    file = tmp_path / "settings"
    file.write_text("one")
    switch = ProgramSwitch(
        command=["sh", "-c", RUNS, "{file}", "{ports}"], file=str(file), ready="r"
    )
    bench.converge(switch)
    first = bench.program()
    assert bench.converge(switch) == []
    assert bench.program().pid == first.pid
    file.write_text("")
    (line,) = bench.converge(switch)
    assert line.startswith("~ program sh: file ")
    bench.ports = bench.ports[:2]
    assert bench.converge(switch) == ["~ program sh: ports -fsx43"]
    changed = switch.model_copy(update={"command": ("sh", "-c", RUNS, "new", "{ports}", "{file}")})
    (line,) = bench.converge(changed)
    assert " -> " in line
    assert bench.program().id != first.id
    assert bench.converge(changed) == []


def test_a_port_that_was_made_anew_is_noticed(bench):
    switch = shell_switch(RUNS, ready="ready")
    bench.converge(switch)
    bench.box.run(["ip", "link", "del", "fsp42"])
    assert bench.observe(switch).held == frozenset({"fsx41", "fsx43"})
    bench.box.run(["ip", "link", "add", "fsp42", "type", "veth", "peer", "name", "fsx42"])
    assert "does not hold 'fsx42'" in bench.observe(switch).fault
    assert len(bench.converge(switch)) == 1
    assert bench.observe(switch).fault == ""


def test_a_port_that_is_not_there_is_refused(bench):
    bench.box.run(["ip", "link", "del", "fsp42"])
    with pytest.raises(
        ProgramStartError, match="could not be started: there is no interface 'fsx42'"
    ):
        bench.converge(shell_switch(RUNS))
    assert bench.left() == ""


def test_what_takes_no_sigterm_is_killed_with_all_that_it_started(bench):
    script = "trap '' TERM; setsid sleep 1000 & sleep 1000 & echo ready; while :; do sleep 1; done"
    switch = shell_switch(script, ready="ready", stop=1)
    bench.converge(switch)
    ProgramSwitch.remove(bench.host, OWNER)
    assert bench.left() == ""


def test_a_child_with_an_environment_of_its_own_ends_too(bench):
    """As sudo does it: what remains of it is an orphan, which is the supervisor's then."""
    script = "env -i setsid sh -c 'trap \"\" HUP TERM; sleep 1000 & sleep 1000 & wait' & " + RUNS
    switch = shell_switch(script, ready="ready", stop=1)
    bench.converge(switch)
    bench.box.run(["kill", "-KILL", str(bench.program().pid)])
    assert "killed by signal 9" in bench.observe(switch).fault
    namespace = bench.box.prefix[1].partition("=")[2]
    wait_until(lambda: "sleep" not in commands(namespace), Deadline(20), what="The orphans' end")


def commands(pid: str) -> set[str]:
    """Return the programs that run in the network namespace of a process."""
    own, found = Path(f"/proc/{pid}/ns/net").readlink(), set()
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (path / "ns/net").readlink() == own:
                found.add((path / "comm").read_text().strip())
    return found


def test_one_that_ends_by_sigterm_has_its_time_to_end(bench):
    script = "trap 'sleep 1; echo bye >/run/bye; exit 0' TERM; echo ready; sleep 1000 & wait"
    switch = shell_switch(script, ready="ready", stop=20)
    bench.converge(switch)
    changes = switch.plan(bench.observe(switch), (), OWNER)
    assert [str(change) for change in changes] == ["- program sh"]
    switch.apply(bench.host, OWNER, changes)
    assert bench.box.read("/run/bye") == b"bye\n"
    assert bench.left() == ""


def test_it_is_started_again_only_where_that_is_asked_for(bench):
    runs = RUNS.replace("sleep 60", "sleep 61.5")
    switch = shell_switch(f"echo $$ >>/run/starts; {runs}", ready="ready", restart=True)
    bench.converge(switch)
    first = bench.program()
    bench.box.run(["kill", "-KILL", str(first.pid)])
    again = wait_until(
        lambda: bench.program() if bench.program().restarts and bench.program().alive else None,
        Deadline(20), what="The restart",
    )  # fmt: skip
    assert again.pid != first.pid
    wait_until(lambda: not bench.observe(switch).fault, Deadline(20), what="Its being ready")
    assert switch.describe(bench.host, OWNER)["restarts"] == "1"
    sleeping = bench.box.run(["sh", "-c", "ps -eo args | grep -c '^sleep 61.5'"]).stdout
    assert sleeping.strip() == "1", "what the first one has left behind has ended"


def test_two_of_a_cluster_may_run_side_by_side(bench):
    switch = shell_switch(RUNS, ready="ready")
    (change,) = switch.plan(bench.observe(switch), bench.ports, OWNER)
    old = program_host.start(bench.host, OWNER, change.starts)
    new = program_host.start(bench.host, OWNER, change.starts)
    assert {old.id, new.id} == {p.id for p in bench.observe(switch).programs}
    program_host.stop(bench.host, OWNER, old)
    assert bench.program().id == new.id
    assert bench.program().alive


def test_leftovers_are_found_whosever_they_are(bench):
    switch = shell_switch(RUNS, ready="ready")
    bench.converge(switch)
    bench.converge(switch, owner=OTHER)
    found = {"lab": ["program sh"], "other": ["program sh"]}
    assert ProgramSwitch.leftovers(bench.host) == found
    ProgramSwitch.remove(bench.host, OTHER)
    assert ProgramSwitch.leftovers(bench.host) == {"lab": ["program sh"]}


def test_what_a_reboot_leaves_is_found_and_removed(bench):
    """The file is not below /run, where it might not be run."""
    bench.box.write(f"{FILES}/lab/1234abcd/switch", b"")
    switch = shell_switch(RUNS, ready="ready")
    assert ProgramSwitch.leftovers(bench.host) == {"lab": ["program 1234abcd"]}
    assert bench.converge(switch) == [
        "- what is left of program 1234abcd", "+ program sh (3 ports)",
    ]  # fmt: skip
    assert bench.observe(switch).fault == ""


def test_it_takes_no_notice_of_a_hangup(bench):
    switch = shell_switch(RUNS, ready="ready")
    bench.converge(switch)
    program = bench.program()
    state = json.loads(bench.box.read(f"{STATES}/lab/{program.id}/state.json"))
    pids = [program.pid, state["supervisor"]["pid"]]
    bench.box.run(["kill", "-HUP", str(pids[1])])
    listed = bench.box.run(["ps", "-o", "sid=", "-p", ",".join(map(str, pids))])
    assert {int(sid) for sid in listed.stdout.split()} == set(pids)
    assert bench.observe(switch).fault == ""


def test_a_start_that_was_cut_off_is_repaired(bench):
    """The controller is killed while it waits; the program is there, and not ready."""
    slow = shell_switch("sleep 1000 & wait", ready="ready", ready_timeout=60)
    (change,) = slow.plan(bench.observe(slow), bench.ports, OWNER)
    document = {
        "wish": change.starts.model_dump(mode="json"),
        "argv": change.starts.argv("", ""),
        "supervisor": source("switch_program"),
        "table": "",
        "guard": "",
        "content": "",
    }
    started = bench.box.start(command("switch_programs", "start", "lab", "0badcafe"))
    started.write(json.dumps(document).encode())
    started._process._process.stdin.close()
    wait_until(
        lambda: any(p.alive for p in bench.observe(slow).programs),
        Deadline(30),
        what="The program",
    )
    os.killpg(started._process._process.pid, signal.SIGKILL)
    started.close()
    assert "is not ready yet" in bench.observe(slow).fault
    switch = shell_switch(RUNS, ready="ready")
    (line,) = bench.converge(switch)
    assert "started anew, as the old one is not ready yet" in line
    assert bench.observe(switch).fault == ""
    assert bench.program().id != "0badcafe"


def test_what_is_kept_of_it_says_what_ran(bench, compiled):
    switch = ProgramSwitch(command=["{file}", "{ports}"], file=compiled, ready="ready")
    bench.converge(switch)
    about = switch.describe(bench.host, OWNER)
    assert about["command"] == "{file} {ports}"
    assert about["sha256"] == about["file sha256"] == bench.program().wish.sha256
    assert about["since"].endswith("+00:00")
