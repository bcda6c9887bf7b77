"""Rules that a tool cannot list whole are never taken for all that there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from farswitch.remote import firewall_rules, nft_kernel


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that print a part and fail."""
    for name in ("iptables-legacy-save", "iptables-nft-save", "nft"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho '{}'\nexit 1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


@pytest.mark.usefixtures("programs")
def test_a_legacy_tool_that_fails_ends_the_reading():
    with pytest.raises(SystemExit, match="iptables-legacy-save ended with status 1"):
        firewall_rules.saved("iptables-legacy")
    assert firewall_rules.saved("iptables-nft") == "{}\n", "nft itself lists what it has"


@pytest.mark.usefixtures("programs")
def test_an_nft_that_fails_over_tables_ends_the_reading():
    with pytest.raises(SystemExit, match="nft -j list ruleset ended with status 1"):
        nft_kernel.listing([["ip", "filter", 0, 1]])
    assert nft_kernel.listing([]) == []
