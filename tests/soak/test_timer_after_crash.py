"""A controller that is killed before it confirms a firewall's change: the server undoes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lab.comparison import observe
from tests.soak.ground import Ground
from tests.soak.moments import When

pytestmark = [pytest.mark.root, pytest.mark.soak]
Told = Callable[[str], None]
TRIES = 5
OPEN = "-P INPUT ACCEPT"


def legacy(ground: Ground, server: str) -> list[str]:
    """Return the rules that the lab's administrator made, as they are now."""
    lines = observe(ground.cluster.lab)[server]
    return [line for line in lines if line.startswith(("rules iptables-", "rules ip6tables-"))]


@pytest.mark.parametrize("server", ["server1", "server2"])
def test_the_server_undoes_it_and_the_next_build_says_so(ground: Ground, told: Told, server: str):
    timers = ground.root(server) / "run/farswitch-deadman"
    rules = legacy(ground, server)

    def changed() -> bool:
        return any(timers.glob("*.armed")) and OPEN in ground.cluster.on(
            server, ["iptables-nft", "-S", "INPUT"]
        )

    moment = When(f"the firewall of '{server}' is open", changed)
    for _ in range(TRIES):  # a confirmation may be faster than the kill
        killed = ground.crash(moment, "build")
        if killed and any(timers.glob("*.armed")):
            break
        ground.goes()
    assert any(timers.glob("*.armed")), "killed before the confirmation"
    assert legacy(ground, server) != rules
    ground.quiet(guests=False)
    assert not any(timers.glob("*.armed"))
    assert legacy(ground, server) == rules
    run = ground.run("build")
    assert run.status == 0, run.said
    assert "An earlier change of the firewall was not confirmed and undone" in run.said
    ground.converges()
    ground.goes()
    told(f"build killed when the firewall of '{server}' was open, undone by the timer, then built")
