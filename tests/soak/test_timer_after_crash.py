"""A controller that is killed before it confirms a firewall's change: the server undoes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lab.comparison import observe
from tests.soak.ground import Ground

pytestmark = [pytest.mark.root, pytest.mark.soak]
Told = Callable[[str], None]
SERVERS = ("server1", "server2")


def legacy(ground: Ground, server: str) -> list[str]:
    """Return the rules that the lab's administrator made, as they are now."""
    lines = observe(ground.cluster.lab)[server]
    return [line for line in lines if line.startswith(("rules iptables-", "rules ip6tables-"))]


def undone_by_itself(ground: Ground, server: str) -> None:
    """Wait until the server runs nothing more of ours, its timer too."""
    timers = ground.root(server) / "run/farswitch-deadman"
    assert any(timers.glob("firewall-*.armed"))
    ground.quiet(guests=False)
    assert not any(timers.glob("*.armed"))


def warned(server: str, said: list[str]) -> bool:
    """Tell whether a run said it once; the other server's timer may have fired too."""
    wanted = f"An earlier change of the firewall of '{server}' was not confirmed by a new login"
    return sum(wanted in line for line in said) == 1


@pytest.mark.parametrize("server", SERVERS)
def test_the_server_undoes_it_and_the_next_build_says_so(ground: Ground, told: Told, server: str):
    rules = legacy(ground, server)
    ground.crash_unconfirmed("build", server)
    assert legacy(ground, server) != rules
    undone_by_itself(ground, server)
    assert legacy(ground, server) == rules
    run = ground.run("build")
    assert run.status == 0, run.said
    assert warned(server, run.document["warnings"]), run.said
    ground.converges()
    ground.goes()
    told(f"build killed when the firewall of '{server}' was open, undone by the timer, then built")


@pytest.mark.parametrize("server", SERVERS)
def test_what_a_teardown_gave_back_goes_again_until_the_next_one(
    ground: Ground, told: Told, server: str
):
    rules = legacy(ground, server)
    built = ground.run("build")
    assert built.status == 0, built.said
    emptied = legacy(ground, server)
    ground.crash_unconfirmed("teardown", server)
    assert legacy(ground, server) == rules != emptied
    undone_by_itself(ground, server)
    assert legacy(ground, server) == emptied
    workflow = "build" if server == "server1" else "teardown"
    run = ground.run(workflow)
    assert run.status == 0, run.said
    assert warned(server, run.document["warnings"]), run.said
    if workflow == "build":
        ground.converges()
    ground.goes()
    told(f"teardown killed when '{server}' had its rules back, undone by the timer, {workflow} run")
