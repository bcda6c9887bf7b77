"""What a server's kernel is asked to copy: a classic BPF program of interfaces, VNIs and a filter.

A user's filter, which tcpdump translates, is about frames of guests. On the underlay it is applied
to the frame within the tunnel: its offsets are moved by what stands before that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from farswitch.capture.points import CapturePoint, TunnelFrames
from farswitch.errors import ConfigError
from farswitch.remote.packet_bytes import bpf

Step = tuple[int, int, int, int]
"""Code, jumps where true and where false, value (linux/filter.h)."""
LD, LDH, LDB, LD_LEN, LDX_LEN, LDX_IP = 0x20, 0x28, 0x30, 0x80, 0x81, 0xB1
RELATIVE = {0x40, 0x48, 0x50}
"""Loads from an offset in the index register."""
JUMP, JA, JEQ, JSET = 0x05, 0x05, 0x15, 0x45
SUB, AND, RET = 0x14, 0x54, 0x06
ANCILLARY = 0xFFFFF000
"""Loads from here on are not of the packet (SKF_AD_OFF)."""
PROTOCOL, INTERFACE = ANCILLARY, ANCILLARY + 8
ETHERNET, UDP = 14, 17
ETHERTYPES = {4: 0x0800, 6: 0x86DD}
FRAGMENT = 0x1FFF
MOST_STEPS = 4096
"""BPF_MAXINSNS of linux/bpf_common.h."""
FARTHEST = 255
"""Steps over which a condition jumps: it is a byte."""
BACK = 1 << 31


@dataclass(frozen=True, slots=True)
class FrameFilter:
    """A filter as tcpdump translates it.

    Attributes:
        plain: For frames as an interface has them.
        inner: For frames within others.
    """

    plain: tuple[Step, ...]
    inner: tuple[Step, ...]

    @classmethod
    def everything(cls, size: int) -> FrameFilter:
        """Return the filter that lets all through, so many bytes of each frame."""
        return cls(((RET, 0, 0, size),), ((RET, 0, 0, size),))

    @classmethod
    def parse(cls, printed: str) -> FrameFilter:
        """Read what `remote/capture_filter.sh` prints.

        Raises:
            ConfigError: The kernel runs no such program.
        """
        lines = iter(printed.split("\n"))
        plain, inner = (tuple(_parsed(lines)) for _ in range(2))
        return cls(plain, inner)


def _parsed(lines: Iterator[str]) -> Iterator[Step]:
    try:
        for _ in range(int(next(lines))):
            code, true, false, value = map(int, next(lines).split())
            if code == LDX_LEN or (code == JA and value >= BACK):
                raise ConfigError(
                    "No kernel runs this filter.", hint="Take a simpler one, without 'protochain'."
                )
            yield code, true, false, value
    except (StopIteration, ValueError) as error:
        raise ConfigError("The filter was translated to no program of BPF.") from error


def moved(steps: Sequence[Step], by: int) -> list[Step]:
    """Return a program for a frame that begins `by` bytes into the packet."""
    replaced = [_moved(step, by) for step in steps]
    places = [0]
    for part in replaced:
        places.append(places[-1] + len(part))
    made: list[Step] = []
    for at, part in enumerate(replaced):
        code, true, false, value = part[-1]
        if code == JA:
            value = places[at + 1 + value] - places[at + 1]
        elif code & 0x07 == JUMP:
            true, false = (places[at + 1 + far] - places[at + 1] for far in (true, false))
            if max(true, false) > FARTHEST:
                raise ConfigError("The filter is too long.", hint="Capture with a shorter one.")
        made += [*part[:-1], (code, true, false, value)]
    return made


def _moved(step: Step, by: int) -> list[Step]:
    code, true, false, value = step
    if code == LD_LEN:
        return [step, (SUB, 0, 0, by)]
    packet = code in {LD, LDH, LDB} and value < ANCILLARY
    if packet or code in RELATIVE or code == LDX_IP or (code == RET and value):
        return [(code, true, false, value + by)]
    return [step]


def program(points: Sequence[CapturePoint], tunnels: TunnelFrames, chosen: FrameFilter) -> bytes:
    """Return the program for one server's socket, which gets the frames of all its interfaces.

    Raises:
        ConfigError: It would be too long.
    """
    under = [point for point in points if point.what == "underlay"]
    own = [point for point in points if point.what != "underlay"]
    rest: list[Step] = []
    for point in under:
        part = _within_tunnels(point, tunnels, chosen)
        rest += [(JEQ, 1, 0, point.index), (JA, 0, 0, len(part)), *part]
    rest.append((RET, 0, 0, 0))
    plain = len(rest)
    for number, point in enumerate(reversed(own)):
        rest[:0] = [(JEQ, 0, 1, point.index), (JA, 0, 0, plain + 2 * number)]
    made: list[Step] = [(LD, 0, 0, INTERFACE), *rest, *chosen.plain]
    if len(made) > MOST_STEPS:
        raise ConfigError(
            f"{len(points)} interfaces and the filter make {len(made)} steps of BPF, wanted "
            f"{MOST_STEPS} at most.",
            hint="Capture fewer guests at once.",
        )
    return bpf(made)


def _within_tunnels(point: CapturePoint, tunnels: TunnelFrames, chosen: FrameFilter) -> list[Step]:
    """Return the part for frames of an underlay's device."""
    start = ETHERNET if point.ethernet else 0
    inner = start + tunnels.inner
    frame = moved(chosen.inner, inner)
    protocol = start + (9 if tunnels.version == 4 else 6)  # noqa: PLR2004 - IP's version
    drop: Step = (RET, 0, 0, 0)
    steps: list[Step] = [
        (LD, 0, 0, PROTOCOL), (JEQ, 1, 0, ETHERTYPES[tunnels.version]), drop,
        (LDB, 0, 0, protocol), (JEQ, 1, 0, UDP), drop,
    ]  # fmt: skip
    if tunnels.version == 4:  # noqa: PLR2004
        steps += [(LDH, 0, 0, start + 6), (JSET, 0, 1, FRAGMENT), drop]
    steps += [
        (LDH, 0, 0, inner - 14), (JEQ, 1, 0, tunnels.port), drop,
        (LD, 0, 0, inner - 4), (AND, 0, 0, 0xFFFFFF00),
    ]  # fmt: skip
    vnis = tunnels.vnis
    for number, vni in enumerate(vnis):
        steps += [(JEQ, 0, 1, vni << 8), (JA, 0, 0, 2 * (len(vnis) - number) - 1)]
    return [*steps, drop, *frame]
