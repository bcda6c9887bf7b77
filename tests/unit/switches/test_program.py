"""A program as the switch: its settings, its plan as a table, and the sentences on its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from farswitch.errors import ConfigError
from farswitch.model.owner import Owner
from farswitch.model.switch import SwitchPort, parse_switch
from farswitch.site.loader import load_site
from farswitch.switches.program import ProgramSwitch
from farswitch.switches.program_state import Program, ProgramPort, ProgramState, ProgramWish

OWNER = Owner("lab", 41)
PORTS = tuple(
    SwitchPort(n, f"node{n}", f"fsv{40 + n}", f"fsx{40 + n}", f"02:fa:00:00:00:0{n}", 40 + n, 1450)
    for n in (1, 2)
)
COMMAND = ("/opt/x", "{ports}")
SWITCH = ProgramSwitch(command=COMMAND)
WISH = ProgramWish(command=COMMAND, ports=tuple(ProgramPort.of(port) for port in PORTS))
RUNS = Program(
    cluster="lab", id="2", wish=WISH, supervised=True, alive=True, pid=7, since=2.0, age=60.0,
    ready_after=0.1, words="a\nready\n",
)  # fmt: skip
A_COMMAND = (
    "wanted a list of texts, the first an absolute path, a program's name or '{file}'; "
    "'{file}' in it just where 'file' is given."
)
A_FILE = "wanted a file's path without spaces."


def found(**changes: object) -> Program:
    return RUNS.model_copy(update=changes)


def wish(**changes: object) -> ProgramWish:
    return WISH.model_copy(update=changes)


DEAD = {"supervised": False, "alive": False}


@pytest.mark.parametrize(
    ("have", "changes", "lines"),
    [
        ([], {}, ["+ program /opt/x (2 ports)"]),
        ([RUNS], {}, []),
        (
            [found(wish=wish(command=("/opt/x", "-v", "{ports}")))],
            {},
            ["~ program /opt/x: command /opt/x -v {ports} -> /opt/x {ports}"],
        ),
        (
            [found(wish=wish(ports=WISH.ports[:1], file="x", sha256="a" * 64))],
            {},
            ["~ program /opt/x: ports +fsx42; file x (sha256 aaaaaaaaaaaa…) -> none"],
        ),
        (
            [found(wish=wish(ports=WISH.ports[::-1]))],
            {},
            ["~ program /opt/x: ports changed"],
        ),
        (
            [RUNS],
            {"ready": "up", "stop": 6, "restart": True},
            ["~ program /opt/x: ready None -> up; stop 5 -> 6; restart False -> True"],
        ),
        ([RUNS], {"container": True}, ["~ program /opt/x: container False -> True"]),
        (
            [found(faults=("'fsx41' is down",))],
            {},
            [
                ("~ program /opt/x: started anew, as the old one is not as it was started: "
                "'fsx41' is down")
            ],
        ),
        (
            [found(ended=3, lasted=12.4, **DEAD)],
            {},
            [
                ("~ program /opt/x: started anew, as the old one ended with exit code 3 "
                "12 s after its start")
            ],
        ),
        (
            [found(ended=-11, lasted=0.52, **DEAD)],
            {},
            [
                ("~ program /opt/x: started anew, as the old one was killed by signal 11 (SIGSEGV) "
                "0.5 s after its start")
            ],
        ),
        (
            [found(**DEAD)],
            {},
            [
                ("~ program /opt/x: started anew, as the old one ended with its supervisor, "
                "which was killed")
            ],
        ),
        (
            [found(stale=("fsx42",))],
            {},
            [
                ("~ program /opt/x: started anew, as the old one does not hold 'fsx42': "
                "made anew, or gone, since its start")
            ],
        ),
        (
            [found(id="1", age=90.0), RUNS],
            {},
            ["- program /opt/x"],
        ),
        (
            [Program(cluster="lab", id="9")],
            {},
            ["- what is left of program 9", "+ program /opt/x (2 ports)"],
        ),
    ],
)  # fmt: skip
def test_a_plan_is_the_difference(have, changes, lines):
    switch = SWITCH.model_copy(update=changes)
    plan = switch.plan(ProgramState.of(have), PORTS, OWNER)
    assert [str(change) for change in plan] == lines
    if not changes and have and have[0].wish == WISH and not have[1:]:
        assert [change.starts for change in plan] == [WISH] * len(lines)
        assert [change.stops for change in plan] == [tuple(have)] * len(lines)


def test_without_ports_all_of_it_is_removed():
    have = ProgramState.of([RUNS, found(id="1", age=90.0)])
    plan = SWITCH.plan(have, (), OWNER)
    assert [str(change) for change in plan] == ["- program /opt/x"] * 2
    assert [change.stops[0].id for change in plan] == ["2", "1"]


def test_a_file_that_cannot_be_read_hinders_a_build_and_no_removal():
    switch = ProgramSwitch(command=["{file}"], file="/no/such")
    have = ProgramState.of([RUNS], unread="No such file or directory")
    with pytest.raises(ConfigError) as caught:
        switch.plan(have, PORTS, OWNER)
    assert str(caught.value) == (
        "The file '/no/such' of the switch cannot be read: No such file or directory."
    )
    assert len(switch.plan(have, (), OWNER)) == 1


@pytest.mark.parametrize(
    ("program", "fault"),
    [
        (RUNS, ""),
        (
            found(ended=3, lasted=12.4, words="no\nsuch option\n", **DEAD),
            (
                "The program '/opt/x' of cluster 'lab' ended with exit code 3 12 s after its start"
                "; its last words: no such option"
            ),
        ),
        (
            found(ended=-9, lasted=1.0, words="", alive=False, wish=wish(restart=True)),
            (
                "The program '/opt/x' of cluster 'lab' was killed by signal 9 (SIGKILL) "
                "1.0 s after its start; it is being started anew; it has written nothing"
            ),
        ),
        (
            found(ready_after=None, age=31.0, wish=wish(ready="^up$")),
            (
                "The program '/opt/x' of cluster 'lab' is not ready after 30 s: no line of its "
                "output matches '^up$'; its last words: a ready"
            ),
        ),
        (
            found(ready_after=None, age=3.0),
            (
                "The program '/opt/x' of cluster 'lab' is not ready yet, 3 s after its start; "
                "its last words: a ready"
            ),
        ),
        (
            found(error="[Errno 2] No such file", words="", **DEAD),
            (
                "The program '/opt/x' of cluster 'lab' could not be started: [Errno 2] No such file"
                "; it has written nothing"
            ),
        ),
        (
            found(supervised=False, words="\x1b[31mred\x1b[0m\n"),
            (
                "The program '/opt/x' of cluster 'lab' has lost its supervisor, which was killed; "
                "its last words: [31mred [0m"
            ),
        ),
        (
            Program(cluster="lab", id="9"),
            "A program of cluster 'lab' was left half started, or half removed.",
        ),
    ],
)
def test_a_fault_names_what_has_become_of_it(program, fault):
    state = ProgramState.of([program])
    assert state.fault == fault
    lives = program.alive and program.ready_after is not None
    assert state.held == ({"fsx41", "fsx42"} if lives else frozenset())


def test_a_port_that_was_made_anew_is_not_held():
    assert ProgramState.of([found(stale=("fsx41",))]).held == {"fsx42"}


def test_what_another_release_has_wished_for_is_replaced():
    program = Program.model_validate(RUNS.model_dump() | {"wish": {"argv": ["/opt/x"]}})
    assert program.wish is None


def test_a_command_gets_ports_and_paths():
    have = wish(command=("{file}", "--config={ports_file}", "{ports}", "x{ports}", "{other}"))
    argv = ["/f/run", "--config=/p.json", "fsx41", "fsx42", "x{ports}", "{other}"]
    assert have.argv("/p.json", "/f/run") == argv


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("program", "'switch.program.command' is missing, " + A_COMMAND),
        ("{program: {command: []}}", f"'switch.program.command' is [], {A_COMMAND}"),
        ("{program: {command: /opt/x}}", f"'switch.program.command' is \"/opt/x\", {A_COMMAND}"),
        ("{program: {command: [opt/x]}}", f"'switch.program.command' is [\"opt/x\"], {A_COMMAND}"),
        ("{program: {command: [x, 1]}}", f"'switch.program.command' is [\"x\", 1], {A_COMMAND}"),
        (
            "{program: {command: ['{file}']}}",
            f"'switch.program.command' is [\"{{file}}\"], {A_COMMAND}",
        ),
        (
            "{program: {command: [x], file: y}}",
            f"'switch.program.command' is [\"x\"], {A_COMMAND}",
        ),
        (
            "{program: {command: ['{file}'], file: ''}}",
            f"'switch.program.file' is empty, {A_FILE}",
        ),
        (
            "{program: {command: ['{file}'], file: bin/}}",
            f"'switch.program.file' is \"bin/\", {A_FILE}",
        ),
        (
            "{program: {command: [x], ready: 'a('}}",
            "'switch.program.ready' is \"a(\", wanted a regular expression of Python.",
        ),
        (
            "{program: {command: [x], ready: ''}}",
            "'switch.program.ready' is empty, wanted a regular expression of Python.",
        ),
        (
            "{program: {command: [x], ready_timeout: 0}}",
            "'switch.program.ready_timeout' is 0, wanted a number of seconds from 1 to 3600.",
        ),
        (
            "{program: {command: [x], stop: 0.5}}",
            "'switch.program.stop' is 0.5, wanted a number of seconds from 0 to 600.",
        ),
        (
            "{program: {command: [x], restart: 'yes'}}",
            "'switch.program.restart' is \"yes\", wanted true or false.",
        ),
        *(
            (
                f"{{program: {{command: [x], container: {value}}}}}",
                (
                    f"'switch.program.container' is {value}, wanted true, false, or the number of "
                    "a process from 2 to 4194304."
                ),
            )
            for value in (0, 1, -1, 4194305)
        ),
        (
            "{program: {command: [x], redy: x}}",
            "'switch.program.redy' is no known key, wanted 'ready'.",
        ),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(refusal, settings, sentence):
    (line,) = refusal("defaults.yaml", "data:\n", f"data:\n  switch: {settings}\n")
    assert line.partition(": ")[2] == sentence


def test_the_file_starts_at_the_sites_folder(site_folder: Path):
    path = site_folder / "defaults.yaml"
    chosen = "switch: {program: {command: ['{file}', '{ports}'], file: my/switch}}"
    path.write_text(path.read_text().replace("data:\n", f"data:\n  {chosen}\n"))
    switch = load_site("site").settings.switch
    assert switch.file == str(load_site("site").path / "my/switch")
    assert switch.command == ("{file}", "{ports}")


def test_a_program_is_read_as_it_is_written():
    switch = ProgramSwitch(command=COMMAND, ready="up", stop=0)
    written = {"program": {"command": list(COMMAND), "ready": "up", "stop": 0}}
    assert parse_switch(written) == switch
