"""The MTU of a guest's NIC, over a shell."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from nornir.core import Nornir
from nornir.core.inventory import Defaults, Groups, Host, Hosts, Inventory
from nornir.core.state import GlobalState
from nornir.plugins.runners import SerialRunner

from farswitch.connections.shell.protocol import CommandError
from farswitch.errors import FarswitchError
from tasks.mtu import mtu


class Guest:
    """A shell of a guest with one file and one command; `stubborn`: the command has no effect."""

    host = "node1"

    def __init__(self, mtu: int | None, *, stubborn: bool = False, largest: int = 9000) -> None:
        self.mtu = mtu
        self.largest = largest
        self.stubborn = stubborn
        self.ran: list[list[str]] = []

    def read(self, path, *, limit=1 << 20):
        assert path == "/sys/class/net/data0/mtu"
        return None if self.mtu is None else f"{self.mtu}\n".encode()

    def run(self, argv, **_):
        self.ran.append(list(argv))
        if int(argv[-1]) > self.largest:
            raise CommandError(self.host, argv, 2, "mtu greater than device maximum")
        if not self.stubborn:
            self.mtu = int(argv[-1])


def run(guest: Guest, **options):
    host = Host(name="node1", data={"guest": object()}, defaults=Defaults())
    host.connections["shell"] = SimpleNamespace(connection=guest)
    inventory = Inventory(Hosts({"node1": host}), Groups(), Defaults())
    nornir = Nornir(inventory=inventory, runner=SerialRunner(), data=GlobalState())
    (result,) = nornir.run(mtu, size=1450, **options)["node1"]
    if result.exception:
        raise result.exception
    return result


def test_a_wrong_mtu_is_set_once():
    guest = Guest(1500)
    assert run(guest).diff == "~ data0 mtu 1500 -> 1450"
    assert guest.ran == [["ip", "link", "set", "dev", "data0", "mtu", "1450"]]
    assert run(guest).changed is False
    assert len(guest.ran) == 1


@pytest.mark.parametrize(
    ("found", "options", "count"),
    [
        pytest.param(1450, {}, 0, id="same-is-left-alone"),
        pytest.param(1500, {"dry_run": True}, 1, id="dry-run-reports-and-does-not-touch"),
        pytest.param(1500, {"present": False}, 0, id="removal-has-nothing-to-do"),
    ],
)
def test_nothing_is_run(found, options, count):
    guest = Guest(found)
    assert run(guest, **options).count == count
    assert guest.ran == []


@pytest.mark.parametrize(
    ("guest", "words"),
    [
        pytest.param(Guest(None), "'node1' has no interface 'data0'", id="no-nic"),
        pytest.param(Guest(1500, stubborn=True), "has MTU 1500 after it was set", id="not-taken"),
        pytest.param(Guest(1400, largest=1400), "greater than device maximum", id="older-nic"),
    ],
)
def test_what_cannot_be_set_is_an_error_with_a_hint(guest, words):
    with pytest.raises(FarswitchError, match=words) as caught:
        run(guest)
    assert caught.value.hint
