"""Which of a known_hosts file's keys are a host's, as ssh finds them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from farswitch.connections.shell.host_keys import known_keys, lookup_name
from farswitch.connections.shell.keys import generate


@pytest.mark.parametrize("port", [22, 2222])
@pytest.mark.parametrize("hashed", [False, True])
def test_a_name_with_capitals_is_found_as_ssh_writes_it(
    tmp_path: Path, port: int, hashed: bool
) -> None:
    known = tmp_path / "known"
    key = generate("host").public
    known.write_text(f"{lookup_name('server1.example', port)} {key}\n")
    if hashed:
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
        assert "server1" not in known.read_text()
    (found,) = known_keys("Server1.Example", port, [known]).accepted
    assert found.get_base64() == key.split()[1]
