"""What servers and guests say is data: bounded, and without escape codes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from farswitch.connections.shell.begin import MARK
from farswitch.connections.shell.local import LocalShell
from farswitch.connections.shell.protocol import Raw
from farswitch.guests import console
from farswitch.guests.console import LINES, WIDTH, plain
from farswitch.proof.check import Check
from farswitch.run.print_report import show
from farswitch.run.report import Report
from farswitch.run.rows import Failure
from farswitch.run.terminal import LONGEST, safe


def test_only_the_last_lines_are_kept():
    text = "\n".join(f"line {number}" for number in range(100))
    assert plain(text) == [f"line {number}" for number in range(100 - LINES, 100)]


def test_escape_codes_and_controls_are_stripped():
    assert plain("\x1b[31mred\x1b[0m \x1b]0;title\x07ok\x08\x00\n") == ["red ok"]


def test_long_lines_are_cut_and_empty_ones_dropped():
    assert plain("x" * 1000 + "\r\n\r\n\n") == ["x" * WIDTH]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("\x1b[2Jgone", "gone", id="clears-the-screen"),
        pytest.param("\x1b]52;c;cm0gLXJm\x07pasted", "pasted", id="writes-the-clipboard"),
        pytest.param("\x1bP1;2q#junk", "1;2q#junk", id="device-control"),
        pytest.param("\x9b31mred", "31mred", id="one-byte-codes"),
        pytest.param("over\rwritten\x08\x07\x00", "overwritten", id="controls"),
        pytest.param("abc\u202egnp", "abcgnp", id="turned-around"),
        pytest.param("[bold]é ü\tx\ny", "[bold]é ü\tx\ny", id="letters-and-lines-stay"),
    ],
)
def test_a_terminal_obeys_nothing_of_a_text(text, wanted):
    assert safe(text) == wanted


def test_a_text_of_any_length_is_cut():
    assert len(safe("\x1b[31m" * 10_000_000 + "x")) <= LONGEST + 1


EVIL = "\x1b[31m\x9b0m\x07evil"


def test_a_report_passes_no_escape_code_on(capsys):
    wrong = Check("a.b", "node1", ok=False, measured=EVIL, expected=EVIL, cause=EVIL, fix=EVIL)
    report = Report(
        "build",
        "c",
        checks=[wrong, Check("a.b", "node2", ok=True, measured=EVIL, expected="x")],
        failures=[Failure("node1", "boot", EVIL, EVIL)],
        diffs=[("sysctl", "server1", f"+ {EVIL}\n- {EVIL}")],
        notes=[EVIL],
    )
    show(report, as_json=True, verbose=2)
    said = capsys.readouterr()
    assert said.err.count("evil") >= 9
    assert not set("\x1b\x9b\x07") & set(said.err + said.out)


def test_of_a_huge_console_only_the_end_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "console.log"
    with path.open("wb") as file:
        for _ in range(100):
            file.write(b"\x1b[2J\x1b]0;title\x07\x9bevil\x00" * (1 << 16))
        file.write(b"\nKernel panic - not syncing\n\x1b[0m")
    assert path.stat().st_size > 100 << 20
    monkeypatch.setattr(console, "console_log", lambda _domain: str(path))
    read: list[int] = []

    class Counting(LocalShell):
        def execute(self, argv: Sequence[str], stdin: bytes, timeout: float) -> Raw:
            raw = super().execute(argv, stdin, timeout)
            read.append(len(raw.stdout.removeprefix(MARK)))
            return raw

    *_, last = console.tail(Counting("server1"), "lab-node1")
    assert last == "Kernel panic - not syncing"
    assert read == [console.TAIL]


def test_a_title_without_an_end_does_not_swallow_the_next_line():
    assert plain("a\x1b]0;title\nKernel panic\n") == ["a", "Kernel panic"]


def test_a_line_without_end_is_cut_and_what_is_left_of_codes_is_harmless():
    (line,) = plain("31m\x1b[" + "\x1b(" * 4000 + "\x9b" + "x" * 4000 + "\x1b")
    assert len(line) == WIDTH
    assert line.isprintable()
