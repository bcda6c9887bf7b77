"""What libvirt keeps of a guest after a power cut goes with it; nobody else's does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from farswitch.guests.remove import short_name
from farswitch.remote import script

LONG = "a-cluster-of-20-char-node1"
HAVE = (
    "domain-1-lab-node1",
    "domain-27-lab-node1",
    "domain-1-2-lab-node1",
    "domain--lab-node1",
    "domain-3-x-lab-node1",
    "domain-3-lab-node11",
    "domain-4-a-cluster-of-20-char",
    "lab-node1",
)


def removed(tmp_path: Path, name: str, *running: str) -> set[str]:
    """Return which folders go with a domain, the same in both places."""
    places = (tmp_path / "qemu", tmp_path / "target")
    for place in places:
        for one in HAVE:
            (place / one).mkdir(parents=True)
            (place / one / "master-key.aes").touch()
    words = ("files", str(tmp_path / "logs"), name, short_name(name, running), *map(str, places))
    subprocess.run(["sh", "-c", script("domain_files"), *words], check=True)
    gone, same = (set(HAVE) - {one.name for one in place.iterdir()} for place in places)
    assert gone == same
    return gone


def test_its_folders_go_whatever_the_number(tmp_path: Path):
    assert removed(tmp_path, "lab-node1") == {"domain-1-lab-node1", "domain-27-lab-node1"}


@pytest.mark.parametrize("name", ["", "*", "node1", "lab-node"])
def test_others_stay(tmp_path: Path, name: str):
    assert removed(tmp_path, name) == set()


def test_a_name_that_libvirt_cuts_is_found(tmp_path: Path):
    assert removed(tmp_path, LONG) == {"domain-4-a-cluster-of-20-char"}


def test_a_cut_name_of_a_domain_that_runs_stays(tmp_path: Path):
    assert removed(tmp_path, LONG, "a-cluster-of-20-char-node2") == set()
