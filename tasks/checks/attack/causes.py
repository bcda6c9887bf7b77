"""What of the guard should have stopped each attack, by its name on the server."""

from __future__ import annotations

from farswitch.model.cluster import Cluster
from farswitch.model.machines import Guest
from tasks.checks.attack.kinds import Kind


def cause_of(
    kind: Kind, cluster: Cluster, attacker: Guest | None = None, victim: Guest | None = None
) -> str:
    """Return the sentence for an attack that got through."""
    table, port = cluster.owner.guard_table, cluster.settings.udp_port
    bridge = cluster.management_bridge
    if kind is Kind.THIRD_HOST or attacker is None or victim is None:
        return (
            f"Chain 'input' of nft table 'inet {table}' has no rule, or too late a one, that lets "
            f"UDP {port} in from the tunnels' far ends only."
        )
    taps = f"{attacker.management_tap} and {victim.management_tap}"
    return {
        Kind.PING: f"Neither chain 'forward' of nft table 'bridge {table}' nor the isolation of "
        f"ports {taps} of {bridge} keeps them apart.",
        Kind.ARP: f"Neither chain 'forward' of nft table 'bridge {table}' nor the isolation of "
        f"ports {taps} of {bridge} keeps them apart; or proxy_arp is on for {bridge}.",
        Kind.ROUTE: f"Chain 'forward' of nft table 'inet {table}' does not drop what would leave "
        f"by the bridge {bridge} that it came in by.",
        Kind.IPV6: f"Chain 'prerouting' of nft table 'bridge {table}' does not drop IPv6 from "
        f"{attacker.management_tap}.",
        Kind.SPOOF_MAC: f"Chain 'prerouting' of nft table 'bridge {table}' does not hold "
        f"{attacker.management_tap} to its own MAC.",
        Kind.SPOOF_ADDRESS: f"Chain 'prerouting' of nft table 'bridge {table}' does not hold "
        f"{attacker.management_tap} to its own address.",
        Kind.VNI_DIRECT: f"Chain 'input' of nft table 'inet {table}' lets UDP {port} in by "
        f"{bridge}.",
        Kind.BEYOND: f"Chain 'forward' of nft table 'inet {table}' lets out what comes in by "
        f"{bridge}.",
        Kind.VNI_NAT: f"Chain 'forward' of nft table 'inet {table}' lets UDP {port} out of "
        f"{bridge}.",
    }[kind]
