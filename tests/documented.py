"""The fenced blocks of the documents: what each has, by what it is run, and its scripts.

A block of commands (`sh`, or `console` with what they print), a site's YAML and a JSON document are
run as they stand; a command ends with 0, or as its comment says: `# exit code 1`. An HTML comment
directly above a block says what is different of it:

    <!-- on: server2 -->                    its commands are run on that host of a cluster
    <!-- run by: tests/lab/test_x.py -->    that test runs the same, or takes its text from here
    <!-- not run: REASON -->                no test can, and why
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTS = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>[a-z ]+): (?P<value>.+?) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
OF_COMMANDS = ("sh", "console")
GROUPS = ("app", "lab", "site", "snapshot", "study")
"""Commands of ours that have commands."""
NO_CLUSTER = (
    "farswitch app list",
    "farswitch app show",
    "farswitch --help",
    "farswitch --version",
    "farswitch graph --no-state",
    "farswitch runs",
    "farswitch site new",
    "farswitch verify --list",
    "python -m farswitch.run.documents",
)
"""How commands begin that need no server, whatever follows."""
FIGURE = r"\d[\d.,:]*(?: [kMG]?B\b)?"
"""A number, in bytes with its unit: where it stands by itself, it is another elsewhere."""


@dataclass(frozen=True, slots=True)
class Command:
    """A line as somebody types it, and what it prints: nothing is said of that where it is None."""

    line: str
    printed: tuple[str, ...] | None = None

    @property
    def status(self) -> int:
        """How it ends."""
        said = re.search(r"# exit code (\d+)", self.line)
        return int(said[1]) if said else 0

    def has_printed(self, text: str, *, figures: bool = True) -> bool:
        """Return whether that is what the document shows, but for the width of gaps and rules.

        Args:
            text: What it printed here.
            figures: Whether numbers have to be the same.
        """
        shown = "".join(_pattern(row, figures=figures) for row in _rows(self.printed or ()))
        return bool(re.fullmatch(shown, "".join(f"{row}\n" for row in _rows(text))))


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block; `mark` and `value` are those of the comment above it, else empty."""

    document: Path
    number: int
    language: str
    text: str
    mark: str
    value: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.number}"

    @property
    def files(self) -> tuple[str, ...]:
        """The tests that it names, from the project's folder on."""
        return tuple(self.value.split(", ")) if self.mark == "run by" else ()

    def commands(self) -> tuple[Command, ...]:
        """Return what is typed, line by line; nothing of a block of another language."""
        if self.language not in OF_COMMANDS:
            return ()
        lines = self.text.replace("\\\n", "").splitlines()
        if self.language == "sh":
            return tuple(Command(line) for line in lines if line and not line.startswith("#"))
        typed = [place for place, line in enumerate(lines) if line.startswith("$ ")]
        ends = [*typed, len(lines)][1:]
        return tuple(
            Command(lines[begin][2:], tuple(lines[begin + 1 : end]))
            for begin, end in zip(typed, ends, strict=True)
        )

    @property
    def of_no_cluster(self) -> bool:
        """Whether it has commands that are run on this machine alone."""
        lines = [command.line for command in self.commands()]
        return bool(lines) and not self.mark and all(line.startswith(NO_CLUSTER) for line in lines)

    @property
    def of_cluster(self) -> bool:
        """Whether it has commands that are run on a cluster."""
        return bool(self.commands()) and self.mark in {"", "on"} and not self.of_no_cluster


def blocks() -> tuple[Block, ...]:
    """Return every fenced block of the documents; its number is that of its first line."""
    return tuple(
        Block(
            document,
            text.count("\n", 0, found.start("text")),
            found["language"],
            found["text"],
            found["mark"] or "",
            found["value"] or "",
        )
        for document in DOCUMENTS
        for text in [document.read_text(encoding="utf-8")]
        for found in BLOCK.finditer(text)
    )


def run_by(file: str) -> tuple[Block, ...]:
    """Return the blocks that name this file of tests as theirs."""
    name = str(Path(file).relative_to(ROOT))
    return tuple(block for block in blocks() if block.mark == "run by" and name in block.files)


def words(line: str) -> Iterator[str]:
    """Yield what a test that runs the same command has to have: its name and its options.

    But for `--site`: each test has a site of its own.
    """
    program, *arguments = shlex.split(line, comments=True)
    if program in {"make", "farswitch"}:
        program, *arguments = arguments
        yield f'"{arguments.pop(0) if program in GROUPS else program}"'
    else:
        yield f'"{program}'
    options = (word.partition("=")[0] for word in arguments if word.startswith("--"))
    yield from (option for option in options if option != "--site")


def script_name(text: str) -> str:
    """Return how a Python program is called, as its docstring says; nothing where none does."""
    found = re.search(r"^Usage: (\w+\.py)", text, re.MULTILINE)
    return found[1] if found else ""


def run_script(
    name: str, folder: Path, *arguments: str, seconds: float = 120.0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a script of the documents in a folder of its own, outside of the project's.

    Args:
        name: How it is called in its docstring.
        folder: Where the script is written, and the current folder of its run.
        arguments: Its command line.
        seconds: After which it is ended.
        environment: Variables beside those of this process.
    """
    (text,) = (
        block.text
        for block in blocks()
        if block.language == "python" and script_name(block.text) == name
    )
    (folder / name).write_text(text)
    return subprocess.run(
        [sys.executable, name, *arguments],
        cwd=folder,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def type_in(
    command: Command, folder: Path, seconds: float = 300.0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Type a command in a folder whose shell finds ours as a user's does."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command.line],
        cwd=folder,
        env=os.environ | {"PATH": path} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def _rows(lines: str | Sequence[str]) -> list[str]:
    """Return lines with one blank for each gap, without empty ones and rules of tables.

    How slow the machines were is no part of what is shown.
    """
    lines = lines.splitlines() if isinstance(lines, str) else lines
    rows = (" ".join(line.split()) for line in lines)
    return [row for row in rows if row.strip("─ -") and not row.startswith("Slow: ")]


def _pattern(row: str, *, figures: bool) -> str:
    """Return what finds a line: `...` is whatever stands there, alone any number of lines."""
    if row == "...":
        return "(?:.*\n)*?"
    parts = [
        [part] if figures else re.split(rf"(?<![\w.]){FIGURE}", part) for part in row.split("...")
    ]
    return ".*".join(FIGURE.join(map(re.escape, part)) for part in parts) + "\n"
