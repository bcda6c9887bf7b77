"""nornir-netmiko's own tasks on servers and real guests, by the script of docs/as-a-library.md."""

from __future__ import annotations

import pytest

from tests.documented import run_script

pytestmark = [pytest.mark.lab, pytest.mark.root]


@pytest.fixture
def typed(built):
    """The cluster; its servers' shells forget what netmiko typed into them."""
    with built.keeping("/root/.bash_history"):
        yield built


def test_netmiko_reaches_servers_and_guests_of_a_built_cluster(typed, tmp_path):
    built = typed
    source = tmp_path / "notes.txt"
    source.write_text("what the guests shall have\n")
    done = run_script(
        "netmiko_tasks.py",
        tmp_path,
        str(built.site),
        str(source),
        XDG_STATE_HOME=str(built.state),
        seconds=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for guest in built.guests():
        assert f"{guest.name} " in done.stdout
        assert (
            guest.root("cat /var/tmp/notes.txt; rm /var/tmp/notes.txt")
            == source.read_text().strip()
        )
