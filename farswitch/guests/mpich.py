"""The MPICH of a guest: with which device it was built, and whether it comes with our library."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from farswitch.connections.shell.base import Shell
from farswitch.connections.shell.protocol import Raw
from farswitch.errors import FarswitchError
from farswitch.guests.files.mpi import device
from farswitch.image.root_tree import FINALIZE

SCRIPT = ('mpichversion || exit; [ ! -e "$1" ] || echo "finalize: yes"', FINALIZE)
"""The look, and its argument."""


@dataclass(frozen=True, slots=True)
class Mpich:
    """What MPICH is on a guest.

    Attributes:
        device: As in `ch4:ucx`; empty where there is no MPICH.
        finalize: Whether the image has the library that lets jobs of older MPICH end.
        why_not: Why there is none, in the guest's words.
    """

    device: str
    finalize: bool = False
    why_not: str = ""

    def check(self, guest: str, known: Collection[str]) -> None:
        """Make sure that there is one whose payload can be pinned.

        Args:
            guest: The guest's name.
            known: How the devices begin that we know to pin.

        Raises:
            FarswitchError: There is none, or one of another device.
        """
        if not self.device:
            raise FarswitchError(
                f"Guest '{guest}' has no MPICH: {self.why_not or 'mpichversion prints nothing'}.",
                hint="The image needs the package mpich.",
            )
        if not self.device.startswith(tuple(known)):
            raise FarswitchError(
                f"MPICH of guest '{guest}' was built with device '{self.device}', wanted one of "
                f"{', '.join(known)}: its payload cannot be pinned to the data NIC.",
                hint="Use an image with one of these.",
            )


def parsed(printed: Raw) -> Mpich:
    """Return what the look found."""
    text = printed.stdout.decode(errors="replace")
    built_with = device(text) if printed.status == 0 else ""
    why_not = printed.stderr.decode(errors="replace").strip()
    return Mpich(built_with, "finalize: yes" in text, why_not)


def observe(login: Shell) -> Mpich:
    """Look at a guest's MPICH."""
    (printed,) = login.together([SCRIPT])
    return parsed(printed)
