"""What `switch bench` is asked for: which switches, frames and tests; as typed, and as meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farswitch.errors import ConfigError
from farswitch.switch_bench.frame_generator import CRC, LARGEST
from farswitch.switch_bench.trials import SMALLEST, TESTS

SIZES = (64, 128, 256, 512, 1024, 1280)
"""Bytes of frames with their CRC (RFC 2544, 9.1); the largest that the MTU allows comes after."""
HEADER = 14 + CRC
"""Bytes of a frame around its IP packet."""


@dataclass(frozen=True, slots=True)
class BenchExtent:
    """What is to be measured: switches by name, sizes in bytes with the CRC, seconds of a trial."""

    names: Sequence[str]
    sizes: Sequence[int]
    seconds: float
    tests: Sequence[str]

    def sizes_for(self, mtu: int) -> list[int]:
        """Return the sizes for an MTU.

        Raises:
            ConfigError: One does not fit.
        """
        largest = mtu + HEADER
        for size in self.sizes:
            if size > largest:
                raise ConfigError(
                    f"Frames of {size} bytes do not fit: the MTU of the data network is {mtu}, so "
                    f"the largest has {largest}, its header and CRC included."
                )
        return list(self.sizes) or [*(size for size in SIZES if size < largest), largest]


@dataclass(frozen=True, slots=True)
class BenchWords:
    """What was asked for, as it was typed."""

    names: Sequence[str]
    frames: str
    seconds: float
    only: str

    def parse(self) -> BenchExtent:
        """Return what is meant.

        Raises:
            ConfigError: A word means nothing.
        """
        tests = parse_list(self.only, "--only", TESTS) if self.only else TESTS
        return BenchExtent(self.names, parse_sizes(self.frames), self.seconds, tests)


def parse_list(text: str, option: str, known: Sequence[str] = ()) -> list[str]:
    """Return the words of a list with commas, each once.

    Raises:
        ConfigError: One is none of the known ones.
    """
    words = list(dict.fromkeys(word.strip() for word in text.split(",")))
    for word in words:
        if known and word not in known:
            raise ConfigError(f"'{option}' has '{word}', wanted some of {', '.join(known)}.")
    return words


def parse_sizes(text: str) -> list[int]:
    """Return the sizes of frames.

    Raises:
        ConfigError: One is no number of bytes that a frame can have.
    """
    sizes = []
    for word in parse_list(text, "--frames") if text else ():
        if not word.isdecimal() or not SMALLEST <= int(word) <= LARGEST + CRC:
            raise ConfigError(
                f"'--frames' has '{word}', wanted bytes from {SMALLEST} to {LARGEST + CRC}, as in "
                "'--frames 64,512'."
            )
        sizes.append(int(word))
    return sizes
