"""nornir-netmiko's own tasks on servers and real guests, by the script of docs/as-a-library.md."""

from __future__ import annotations

import pytest

from tests.documented import run_script

pytestmark = [pytest.mark.lab, pytest.mark.root]
SERVERS = ("server1", "server2")
HISTORY = "/root/.bash_history"
KEEP = f"[ ! -e {HISTORY} ] || cp -p {HISTORY} /run/history"
RESTORE = f"rm -f {HISTORY}; [ ! -e /run/history ] || mv /run/history {HISTORY}"


@pytest.fixture
def typed(built):
    """The cluster; its servers' shells forget what netmiko typed into them."""
    for server in SERVERS:
        built.on(server, ["sh", "-ec", KEEP])
    yield built
    for server in SERVERS:
        built.on(server, ["sh", "-ec", RESTORE])


def test_netmiko_reaches_servers_and_guests_of_a_built_cluster(typed, tmp_path):
    built = typed
    source = tmp_path / "notes.txt"
    source.write_text("what the guests shall have\n")
    done = run_script(
        "c", tmp_path, str(built.site), str(source), XDG_STATE_HOME=str(built.state), seconds=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for guest in built.guests():
        assert f"{guest.name} " in done.stdout
        assert (
            guest.root("cat /var/tmp/notes.txt; rm /var/tmp/notes.txt")
            == source.read_text().strip()
        )
