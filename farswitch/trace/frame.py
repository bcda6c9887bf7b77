"""The frame that is traced: of one guest to another over the data network, with a token."""

from __future__ import annotations

from dataclasses import dataclass

from farswitch.model.machines import Guest
from farswitch.proof.frames import echo, payload, syn

KIND, SENDER = 0x5452, 1
"""The label of all frames that are traced."""
SMALL = 100
"""Bytes of IP packet that every path carries."""
LEAST = 20 + 20 + 8 + 8
"""Bytes of IP packet: headers of IPv4 and TCP, the token, label and number."""
MOST = 65535
"""Bytes of an IP packet (RFC 791)."""


@dataclass(frozen=True, slots=True)
class TracedFrames:
    """What is sent, in frames and bytes of IP packet: ICMP echo requests, or TCP's SYN."""

    count: int = 20
    size: int = SMALL
    tcp: bool = False

    def frame(self, sender: Guest, receiver: Guest, token: bytes) -> bytes:
        """Return one frame; the sender writes its number into it."""
        macs = (sender.data_mac, receiver.data_mac)
        addresses = (sender.data_address.ip, receiver.data_address.ip)
        body = payload(token, KIND, SENDER)
        if self.tcp:
            port = sender.settings.mpi.payload_ports.first
            return syn(macs, addresses, port, body.ljust(self.size - 20 - 20, b"\0"))
        return echo(macs, addresses, body.ljust(self.size - 20 - 8, b"\0"))
