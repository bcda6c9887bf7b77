"""What an answer of the kernel about a route means."""

from __future__ import annotations

import errno
from ipaddress import ip_address

import pytest
from pyroute2.netlink.exceptions import NetlinkError

from farswitch.connections.netlink.routes import route_to

HERE, PEER = ip_address("198.51.100.11"), ip_address("198.51.100.12")


class Kernel:
    def __init__(self, code: int) -> None:
        self.code = code

    def route(self, command, *, dst, src):
        assert (command, dst, src) == ("get", str(PEER), str(HERE))
        raise NetlinkError(self.code)


@pytest.mark.parametrize("code", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES])
def test_no_way_is_no_route(code):
    assert route_to(Kernel(code), PEER, HERE) is None


def test_a_lost_connection_is_not_taken_for_no_route():
    with pytest.raises(NetlinkError):
        route_to(Kernel(errno.ECONNRESET), PEER, HERE)
