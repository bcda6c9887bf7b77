"""What one look at a guest says of its share and its MPICH."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from types import SimpleNamespace

import pytest

from farswitch.connections.shell.protocol import CommandError, Raw
from farswitch.errors import FarswitchError
from farswitch.guests import mpich, share_state
from farswitch.guests.files.nfs import MOUNTED_WITH, Share
from farswitch.guests.observed import observe
from tasks import guest_firewall

HEAD = Share("/shared", "mpi", IPv4Network("10.0.0.0/24"), IPv4Address("10.0.0.11"), exports=True)
NODE = Share("/shared", "mpi", IPv4Network("10.0.0.0/24"), IPv4Address("10.0.0.11"))
EXPORT = "folder mpi\nexport /shared  10.0.0.0/24(sync,wdelay,hide,rw,root_squash)\n"
OPTIONS = ",".join(("rw", *sorted(MOUNTED_WITH)))


def raw(text: str, status: int = 0, stderr: str = "") -> Raw:
    return Raw(status, text.encode(), stderr.encode())


@pytest.mark.parametrize(
    ("share", "unit", "other", "wrong"),
    [
        pytest.param(HEAD, "active", EXPORT, [], id="exported"),
        pytest.param(HEAD, "failed", EXPORT, ["+ unit nfs-server.service"], id="server-failed"),
        pytest.param(HEAD, "active", "folder root\n",
                     ["~ /shared belongs to root",
                      "~ /shared is not exported to 10.0.0.0/24"], id="nothing-exported"),
        pytest.param(HEAD, "active", f"{EXPORT}export /shared *(rw,root_squash)\n",
                     ["~ /shared is exported to *"], id="exported-to-all"),
        pytest.param(NODE, "active", "", [], id="not-mounted-yet"),
        pytest.param(NODE, "active", f"{OPTIONS}\n", [], id="mounted"),
        pytest.param(NODE, "active", f"rw\n{OPTIONS}\n", [], id="the-upper-of-two-mounts-counts"),
        pytest.param(NODE, "inactive", OPTIONS.replace("nosuid", "suid"),
                     ["+ unit shared.automount", "~ mount /shared without nosuid"], id="by-hand"),
    ],
)  # fmt: skip
def test_a_share_is_repaired_by_what_became_of_it(
    share: Share, unit: str, other: str, wrong: list[str]
) -> None:
    state = share_state.parsed(share, [raw(f"{unit}\n"), raw(other)])
    assert share_state.wrong(share, state) == wrong


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        pytest.param(raw("", 127, "sh: mpichversion: not found\n"),
                     "no MPICH: sh: mpichversion: not found.", id="no-program"),
        pytest.param(raw("MPICH Version: 4.0.2\n"), "mpichversion prints nothing", id="no-device"),
        pytest.param(raw("MPICH Device: ch4:other\n"), "device 'ch4:other', wanted one of ch4:ucx",
                     id="unknown-device"),
    ],
)  # fmt: skip
def test_an_mpich_that_cannot_be_pinned_is_named(printed: Raw, words: str) -> None:
    with pytest.raises(FarswitchError, match=words):
        mpich.parsed(printed).check("node1", ["ch4:ucx"])


@pytest.mark.parametrize("more", ["", "finalize: yes\n"])
def test_an_mpich_comes_with_our_library_or_without(more: str) -> None:
    found = mpich.parsed(raw(f"MPICH Device:    \tch4:ucx\n{more}"))
    found.check("node1", ["ch4:ofi", "ch4:ucx"])
    assert (found.device, found.finalize) == ("ch4:ucx", bool(more))


class Guest:
    """A shell whose nft fails, of a guest without a data NIC."""

    host = "node1"

    def __init__(self, files: int = 0) -> None:
        self.files = files

    def together(self, scripts: list[tuple[str, ...]]) -> list[Raw]:
        answers = [raw("", 1), raw("", 1, "no nft"), raw("active\n"), raw(EXPORT)]
        return [*answers, raw("MPICH Device: ch4:ucx\n"), raw("0\n", self.files, "no stat")]


def test_a_part_that_failed_fails_the_step_that_needs_it_alone() -> None:
    have = observe(Guest(), HEAD, ["/etc/hosts"])
    assert (have.mtu, have.files) == (None, {"/etc/hosts": None})
    assert share_state.wrong(HEAD, have.share) == []
    with pytest.raises(CommandError, match="no nft"):
        guest_firewall.guest_firewall(SimpleNamespace(host=None), have=have)


def test_files_that_could_not_be_read_end_the_look() -> None:
    with pytest.raises(CommandError, match="no stat"):
        observe(Guest(files=1), HEAD, ["/etc/hosts"])
