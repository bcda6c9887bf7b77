"""What a login that ends takes from a script: its input, and whoever would read its complaint."""

import os
import subprocess
from pathlib import Path

import pytest

from farswitch.connections.shell.base import REPLACE
from farswitch.rollback.timer import _SCRIPT

HALF = b"x" * 1000
SIZE = str(2 * len(HALF))


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        pytest.param(REPLACE, ("{}/file", "0600", f"{os.getuid()}:{os.getgid()}", SIZE), id="file"),
        pytest.param(
            _SCRIPT, ("start", "{}/folder", "control-lab.00", "60", "60", "10", SIZE), id="timer"
        ),
    ],
)
def test_nothing_half_written_stays(tmp_path: Path, script: str, arguments: tuple[str, ...]):
    given = [one.format(tmp_path) for one in arguments]
    argv = ["sh", "-c", script, "sh", *given]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stderr
        process.stderr.close()  # a word about it ends the script by a signal
        process.stdin.write(HALF)
        process.stdin.close()
        assert process.wait(30) == 129
    assert list(tmp_path.iterdir()) == []
