from __future__ import annotations

import io
import subprocess

import paramiko

from farswitch.connections.shell.keys import generate
from farswitch.connections.shell.options import LoginOptions


def test_a_pair_belongs_together_and_ssh_reads_it(tmp_path):
    pair = generate("node1")
    private = tmp_path / "key"
    private.write_text(pair.private)
    private.chmod(0o600)
    derived = subprocess.run(
        ["ssh-keygen", "-y", "-f", str(private)], capture_output=True, text=True, check=True
    )
    assert derived.stdout.split()[:2] == pair.public.split()[:2]
    assert pair.public.split() == ["ssh-ed25519", pair.public.split()[1], "node1"]
    key = paramiko.Ed25519Key(file_obj=io.StringIO(pair.private))
    assert key.get_base64() == pair.public.split()[1]


def test_two_pairs_differ():
    assert generate("a").private != generate("a").private


def test_private_keys_are_not_shown():
    pair = generate("node1")
    body = pair.private.splitlines()[1]
    assert body not in repr(pair)
    options = LoginOptions(hostname="node1", private_key=pair.private, host_key=pair.public)
    assert body not in repr(options)
    assert body not in repr(options.target())
