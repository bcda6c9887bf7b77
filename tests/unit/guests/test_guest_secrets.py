"""A task's result may be printed; the private keys among a guest's files stay on it."""

from __future__ import annotations

import os
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from nornir import InitNornir
from nornir_utils.plugins.functions import print_result

from farswitch.connections import access
from farswitch.guests.files.nfs import Share
from farswitch.model.guest_file import File
from tasks.observe_guest import observe_guest


def test_a_printed_result_names_the_files_and_not_the_keys_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    access.register()
    key = tmp_path / "id_ed25519"
    key.write_text("SECRET")
    (tmp_path / "hosts.yaml").write_text(
        "node1: {connection_options: {shell: {extras: {local: true}}}}"
    )
    options = {"host_file": str(tmp_path / "hosts.yaml")}
    inventory = {"plugin": "SimpleInventory", "options": options}
    share = Share("/shared", "mpi", IPv4Network("10.0.0.0/24"), IPv4Address("10.0.0.11"))
    with InitNornir(inventory=inventory, logging={"enabled": False}) as nornir:
        results = nornir.run(observe_guest, share=share, paths=[str(key)])
        print_result(results)
    assert results["node1"].result.files[str(key)].sha256 == File("", b"SECRET").sha256
    printed = capsys.readouterr().out
    assert str(key) in printed
    assert "SECRET" not in printed


def test_a_file_to_be_written_is_printed_without_its_bytes() -> None:
    assert "secret" not in repr(File("/root/.ssh/id_ed25519", b"secret"))
