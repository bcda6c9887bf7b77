"""Host keys and user keys as people have them: what `ssh` takes is taken."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from farswitch.connections.shell.keys import generate
from farswitch.connections.shell.protocol import ConnectionLostError, HostKeyError
from farswitch.connections.shell.ssh import SshShell
from tests.ssh.conftest import Sshd

pytestmark = [pytest.mark.ssh, pytest.mark.root]


def arrives(sshd: Sshd, **changes: object) -> None:
    shell = SshShell(sshd.target(**changes))
    try:
        assert shell.run(["true"]).status == 0
    finally:
        shell.close()


def keygen(*argv: object) -> None:
    subprocess.run(["ssh-keygen", "-q", *map(str, argv)], check=True, capture_output=True)


def known(sshd: Sshd, *lines: str) -> None:
    fields = {"name": f"[127.0.0.1]:{sshd.port}", "key": sshd.host.public}
    fields["other"] = generate("other").public
    text = "".join(f"{line.format(**fields)}\n" for line in lines)
    (sshd.folder / "known").write_text(text)


SEVERAL = {
    "two-of-one-type": ("{name} {other}", "{name} {key}"),
    "in-the-other-order": ("{name} {key}", "{name} {other}"),
    "another-of-the-plain-name": ("{name} {key}", "127.0.0.1 {other}"),
    "one-is-revoked": ("@revoked * {other}", "{name} {other}", "{name} {key}"),
    "negated-elsewhere": ("*,!{name} {other}", "{name} {key}"),
    "blanks-in-front": (
        " # old",
        " \t@revoked * {other}",
        "  @revoked * ssh-rsa",
        "\t{name} {key}",
    ),
}


@pytest.mark.parametrize("lines", SEVERAL.values(), ids=SEVERAL)
def test_any_of_a_hosts_known_keys_is_accepted(sshd, lines):
    known(sshd, *lines)
    arrives(sshd)


@pytest.mark.parametrize("name", ["{name}", "127.0.0.1", "*"])
def test_a_key_that_is_revoked_under_any_name_is_refused(sshd, name):
    known(sshd, "{name} {key}", f"@revoked {name} {{key}}")
    with pytest.raises(HostKeyError, match="which is revoked") as caught:
        arrives(sshd)
    assert "@revoked" in caught.value.hint
    known(sshd, "{name} {key}", f" \t@revoked {name} {{key}}")
    with pytest.raises(HostKeyError, match="which is revoked"):
        arrives(sshd)


def test_a_pinned_key_that_is_revoked_is_refused(sshd, tmp_path):
    (tmp_path / "other").write_text(generate("other").public)
    (tmp_path / "host").write_text(sshd.host.public)
    arrives(sshd, pinned=sshd.host.public, revoked_host_keys=tmp_path / "other")
    with pytest.raises(HostKeyError, match="which is revoked"):
        arrives(sshd, pinned=sshd.host.public, revoked_host_keys=tmp_path / "host")


def test_hashed_names_of_several_files_are_found(sshd):
    known(sshd, "{name} {key}")
    keygen("-H", "-f", sshd.folder / "known")
    first = sshd.folder / "first"
    first.write_text(f"127.0.0.1 {generate('other').public}\n")
    arrives(sshd, known_hosts=(first, sshd.folder / "absent", sshd.folder / "known"))


def test_an_ipv6_address_is_known_as_ssh_writes_it(make_sshd):
    sshd = make_sshd("six", more="AddressFamily any")
    config = sshd.folder / "sshd_config"
    assert config.is_file()
    sshd.stop()
    (sshd.folder / "log").unlink()
    sshd.more = f"ListenAddress [::1]:{sshd.port}"
    sshd.start()
    (sshd.folder / "known").write_text(f"[::1]:{sshd.port} {sshd.host.public}\n")
    arrives(sshd, hostname="::1")


def test_the_remedy_for_a_changed_host_key_helps(sshd):
    known(sshd, "127.0.0.1 {other}")
    with pytest.raises(HostKeyError) as caught:
        arrives(sshd)
    removal, _, login = caught.value.hint.partition("set up anew: ")[2].partition(
        "; then log in once: "
    )
    subprocess.run(["sh", "-ec", removal], check=True, capture_output=True)
    accepts = login.replace("ssh ", "ssh -o StrictHostKeyChecking=accept-new -o BatchMode=yes ", 1)
    subprocess.run(["sh", "-ec", f"{accepts} true"], check=True, capture_output=True)
    arrives(sshd)


def test_the_remedy_for_a_changed_host_key_names_the_command_that_knows_it(sshd, tmp_path):
    known(sshd, "{name} {other}")
    printed = (sshd.folder / "known").rename(tmp_path / "printed")
    command, name = f"/bin/cat {printed}", f"[127.0.0.1]:{sshd.port}"
    with pytest.raises(HostKeyError) as caught:
        arrives(sshd, known_hosts=(), known_hosts_command=command)
    remedy = f"let your KnownHostsCommand print its new key for {name}"
    assert caught.value.hint == f"If the host was set up anew: {remedy}"
    known(sshd, "{name} {other}")
    with pytest.raises(HostKeyError) as caught:
        arrives(sshd, known_hosts_command=command)
    assert f"-f {sshd.folder}/known; {remedy}; then log in once: ssh " in caught.value.hint
    known(sshd, "{name} {key}")
    (sshd.folder / "known").rename(printed)
    arrives(sshd, known_hosts=(), known_hosts_command=command)


def test_the_remedy_for_an_unknown_host_key_helps(sshd):
    known(sshd)
    with pytest.raises(HostKeyError) as caught:
        arrives(sshd)
    login = caught.value.hint.partition("then log in once: ")[2]
    accepts = login.replace("ssh ", "ssh -o StrictHostKeyChecking=accept-new -o BatchMode=yes ", 1)
    subprocess.run(["sh", "-ec", f"{accepts} true"], check=True, capture_output=True)
    arrives(sshd)


def test_a_server_with_a_host_key_of_another_kind_shows_the_known_one(make_sshd, tmp_path):
    keygen("-t", "ecdsa", "-N", "", "-f", tmp_path / "ecdsa")
    sshd = make_sshd("two", more=f"HostKey {tmp_path}/ecdsa")
    public = (tmp_path / "ecdsa.pub").read_text()
    (sshd.folder / "known").write_text(f"[127.0.0.1]:{sshd.port} {public}")
    arrives(sshd)


@pytest.mark.parametrize("trusted", [True, False])
def test_a_key_is_shown_with_its_certificate_and_without(make_sshd, tmp_path, trusted):
    authority, key = tmp_path / "authority", tmp_path / "key"
    for path in (authority, key):
        keygen("-t", "ed25519", "-N", "", "-f", path)
    keygen("-s", authority, "-I", "me", "-n", "root", f"{key}.pub")
    more = f"TrustedUserCAKeys {authority}.pub" if trusted else ""
    sshd = make_sshd("certified", more=more)
    if not trusted:
        (sshd.folder / "authorized").write_text(Path(f"{key}.pub").read_text())
    arrives(sshd, key_file=key)


def test_a_public_key_file_is_named_with_the_private_one(sshd, monkeypatch):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    public = sshd.folder / "key.pub"
    public.write_text(sshd.user.public)
    with pytest.raises(ConnectionLostError, match="is a public key, and no agent has") as caught:
        arrives(sshd, key_file=public)
    assert caught.value.hint == f"Name the private key: key_file: {sshd.folder}/key"
    arrives(sshd, key_file=sshd.folder / "key")


def test_a_key_file_that_others_may_read_is_taken(sshd):
    (sshd.folder / "key").chmod(0o644)
    arrives(sshd)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("KexAlgorithms", "diffie-hellman-group18-sha512"),
        ("Ciphers", "chacha20-poly1305@openssh.com"),
        ("MACs", "umac-128-etm@openssh.com"),
    ],
)
def test_an_sshd_whose_algorithms_we_do_not_know_is_named_and_the_remedy_helps(
    make_sshd, setting, value
):
    sshd = make_sshd("strict", more=f"{setting} {value}")
    with pytest.raises(ConnectionLostError, match=f"none of the {setting} that") as caught:
        arrives(sshd)
    assert f"to {setting} in /etc/ssh/sshd_config of 'server1'" in caught.value.hint
    sshd.stop()
    (sshd.folder / "log").unlink()
    sshd.more += f",{caught.value.hint.split()[1]}"
    sshd.start()
    arrives(sshd)


@pytest.mark.parametrize("name", ["curve25519-sha256", "curve25519-sha256@libssh.org"])
def test_a_key_exchange_is_known_by_both_of_its_names(make_sshd, name):
    arrives(make_sshd("strict", more=f"KexAlgorithms {name}"))


def test_a_user_whom_sshd_does_not_let_in_is_named_with_the_settings(make_sshd):
    sshd = make_sshd("strict", more="DenyUsers root")
    with pytest.raises(ConnectionLostError, match="user 'root' was refused") as caught:
        arrives(sshd)
    assert "DenyUsers" in caught.value.hint
    assert "sshd's log" in caught.value.hint


def test_a_server_that_wants_more_than_a_key_is_named(make_sshd):
    sshd = make_sshd("twice", more="AuthenticationMethods publickey,keyboard-interactive")
    with pytest.raises(ConnectionLostError, match="wants keyboard-interactive besides") as caught:
        arrives(sshd)
    assert "AuthenticationMethods" in caught.value.hint
