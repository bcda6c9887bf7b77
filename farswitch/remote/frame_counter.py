"""Count the frames that pass with a token, on all interfaces, and report them at the end.

Usage: python3 frame_counter.py TOKEN SECONDS QUIET [INTERFACE ...]   (TOKEN in hexadecimal digits)
It prints {"ready": true}, listens until its input has a line or ends, and then until nothing has
come for a moment; SECONDS end it in any case. The interfaces named take in frames for others too.
The report is one line: {"frames": [[INTERFACE, WAY, VNI, KIND, SENDER, BITS], ...], "answers":
[[INTERFACE, ADDRESS, COUNT], ...], "lost": COUNT}. WAY is "in" or "out", VNI that of the tunnel
that a frame is within, null for none. BITS are hexadecimal digits, a bit for each number; answers
are those to ARP that came in.

A frame comes in before any rule but XDP's sees it, and goes out when no queue and no rule of its
interface is left. A bridge itself counts nothing that it forwards.

Only what starts fast is imported: under emulation the library's larger modules cost seconds.
"""

from __future__ import annotations

import json
import select
import signal
import socket
import struct
import sys
import time

from farswitch.remote.packet_bytes import attach, bpf

ETH_P_ALL, ETH_P_ARP = 0x0003, 0x0806  # linux/if_ether.h
SO_RCVBUFFORCE = 33  # asm-generic/socket.h
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_STATISTICS, PACKET_MR_PROMISC = 263, 1, 6, 1
PACKET_OUTGOING = 4  # linux/if_packet.h
BUFFER = 16 << 20
ENDING = 10
"""How many times QUIET may pass until the listening ends in any case."""
OFFSETS = (28, 40, 42, 48, 54, 62, 78, 90, 92, 98, 104, 110, 112, 124)
"""Where a token can be, in rising order: after Ethernet and ARP or ICMP over IPv4 (42); TCP over
IPv4 (54); ICMP over IPv6 (62); the first two within VXLAN over IPv4 (92, 104), or over IPv6 (112,
124). Also 14 bytes less: an interface such as WireGuard's has no Ethernet."""
VNI_AT = {78: 32, 90: 32, 92: 46, 98: 52, 104: 46, 110: 52, 112: 66, 124: 66}
"""Where the VNI of a tunnelled frame is (RFC 7348), by where its token is."""
ARP_REPLY = 2


class FrameCounts:
    """Frames by interface, way, VNI, kind and sender, a bit for each number; ARP answers too."""

    def __init__(self, token: bytes) -> None:
        self.token = token
        self.frames: dict[tuple[str, str, int | None, int, int], int] = {}
        self.answers: dict[tuple[str, str], int] = {}

    def take(self, interface: str, frame: bytes, way: str = "in") -> None:
        """Count one frame."""
        at = frame.find(self.token)
        if at >= 0:
            label = frame[at + len(self.token) :][:6]
            if len(label) == 6:  # noqa: PLR2004
                kind, sender, number = struct.unpack("!HHH", label)
                vni = VNI_AT.get(at)
                tunnel = None if vni is None else int.from_bytes(frame[vni : vni + 3], "big")
                key = (interface, way, tunnel, kind, sender)
                self.frames[key] = self.frames.get(key, 0) | 1 << number
        elif way == "in" and is_arp_answer(frame):
            answer = (interface, socket.inet_ntoa(frame[28:32].ljust(4, b"\0")))
            self.answers[answer] = self.answers.get(answer, 0) + 1

    def report(self, lost: int) -> str:
        """Return the report."""
        frames = [[*key, f"{bits:x}"] for key, bits in self.frames.items()]
        answers = [[*key, count] for key, count in self.answers.items()]
        return json.dumps({"frames": frames, "answers": answers, "lost": lost})


def is_arp_answer(frame: bytes) -> bool:
    """Tell whether a frame is an answer to ARP."""
    return frame[12:14] == ETH_P_ARP.to_bytes(2, "big") and frame[21:22] == bytes([ARP_REPLY])


def program(token: bytes) -> bytes:
    """Return the classic BPF program that lets ARP and frames with the token through.

    A load beyond a frame's end rejects it, so the offsets go up.
    """
    word = int.from_bytes(token[:4], "big")
    code = [(0x28, 0, 0, 12), (0x15, 2 * len(OFFSETS), 0, ETH_P_ARP)]  # ldh [12]; jeq
    for at, offset in enumerate(OFFSETS):
        code += [(0x20, 0, 0, offset), (0x15, 2 * (len(OFFSETS) - at) - 2, 0, word)]  # ld; jeq
    code[-1] = (0x15, 0, 1, word)  # the last one: not equal, over the next
    code += [(0x06, 0, 0, 0xFFFF), (0x06, 0, 0, 0)]  # ret all; ret nothing
    return bpf(code)


def opened(token: bytes, promiscuous: list[str]) -> socket.socket:
    """Return a socket that gets what passes every interface."""
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    raw.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    attach(raw, program(token))
    for name in promiscuous:
        request = struct.pack("iHH8s", socket.if_nametoindex(name), PACKET_MR_PROMISC, 0, b"")
        raw.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)
    return raw


def listen(raw: socket.socket, counts: FrameCounts, silence: float) -> int:
    """Take frames until told to end; return how many the kernel had no room for."""
    end, quiet = float("inf"), None
    while time.monotonic() < end:
        ready, _, _ = select.select([raw, *([] if quiet else [sys.stdin])], [], [], quiet)
        if raw in ready:
            frame, (interface, _, kind, *_) = raw.recvfrom(2048)
            counts.take(interface, frame, "out" if kind == PACKET_OUTGOING else "in")
        elif not ready:
            break
        if sys.stdin in ready:
            end, quiet = time.monotonic() + ENDING * silence, silence
    statistics = raw.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
    return int(struct.unpack("II", statistics)[1])


def main() -> None:
    """Listen and report."""
    token, seconds, silence, *names = sys.argv[1:]
    signal.alarm(int(seconds))
    counts = FrameCounts(bytes.fromhex(token))
    with opened(counts.token, names) as raw:
        print(json.dumps({"ready": True}), flush=True)
        print(counts.report(listen(raw, counts, float(silence))), flush=True)


if __name__ == "__main__":
    main()
