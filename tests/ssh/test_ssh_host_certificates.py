"""Hosts that prove themselves by a certificate: `ssh` and we are of one mind about each."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from farswitch.connections.shell.keys import KeyPair, generate
from farswitch.connections.shell.login_errors import ssh_command
from farswitch.connections.shell.protocol import HostKeyError
from farswitch.connections.shell.ssh import SshShell
from farswitch.errors import ConfigError
from tests.ssh.conftest import Sshd

pytestmark = [pytest.mark.ssh, pytest.mark.root]
CA = ("@cert-authority {name} {ca}",)
FAR = ("-h", "-n", "127.0.0.1")
"""How ssh-keygen signs a key as that of our host."""


def keygen(*argv: object) -> None:
    subprocess.run(["ssh-keygen", "-q", *map(str, argv)], check=True, capture_output=True)


@pytest.fixture
def certified(make_sshd: Callable[..., Sshd], tmp_path: Path) -> Callable[..., Sshd]:
    """Make a server whose host key has a certificate, and write what we know of it."""

    def make(known: tuple[str, ...], *, sign: tuple[str, ...] = FAR, kind: str = "ed25519",
             authority: str = "ed25519") -> Sshd:  # fmt: skip
        ca, host = tmp_path / "ca", tmp_path / "host"
        for path, of in ((ca, authority), (host, kind)):
            keygen("-t", of, "-N", "", "-f", path)
        keygen("-s", ca, "-I", "host", *sign, f"{host}.pub")
        keygen("-s", host, "-I", "ca", f"{ca}.pub")
        pair = KeyPair(host.read_text(), Path(f"{host}.pub").read_text().strip())
        sshd = make_sshd("far", host=pair, more=f"HostCertificate {host}-cert.pub")
        words = {
            "name": f"[127.0.0.1]:{sshd.port}",
            "ca-certificate": Path(f"{ca}-cert.pub").read_text().strip(),
            "ca": Path(f"{ca}.pub").read_text().strip(),
            "key": pair.public,
            "certificate": Path(f"{host}-cert.pub").read_text().strip(),
            "other": generate("other").public,
        }
        lines = "".join(f"{line.format(**words)}\n" for line in known)
        (sshd.folder / "known").write_text(lines)
        return sshd

    return make


def ssh(sshd: Sshd, *options: str) -> subprocess.CompletedProcess[str]:
    command = ssh_command(sshd.target()).replace("ssh ", " ".join(["ssh", *options, ""]), 1)
    argv = ["sh", "-c", f"{command} -o BatchMode=yes true"]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def refusal(sshd: Sshd, **changes: object) -> HostKeyError | None:
    shell = SshShell(sshd.target(**changes))
    try:
        assert shell.run(["true"]).status == 0
    except HostKeyError as error:
        return error
    finally:
        shell.close()
    return None


ACCEPTED = {
    "by-name-and-port": CA,
    "by-pattern": ("@cert-authority *,!elsewhere {ca}",),
    "by-the-plain-name": ("@cert-authority 127.0.0.1 {ca}",),
    "of-two-authorities": ("@cert-authority * {other}", "@cert-authority * {ca}"),
    "above-a-key-that-is-another": (*CA, "{name} {other}"),
    "broken-line-above": ("@cert-authority * ssh-ed25519 AAAA", *CA),
    "its-key-alone": ("@cert-authority * {other}", "{name} {key}"),
    "authority-of-others": ("@cert-authority elsewhere {ca}", "{name} {key}"),
    "broken-line-of-a-revoked-key": ("{name} {key}", "@revoked * ssh-ed25519 AAAA"),
    "by-the-authoritys-certificate": ("@cert-authority * {ca-certificate}",),
}


@pytest.mark.parametrize("known", ACCEPTED.values(), ids=ACCEPTED)
def test_a_host_whose_authority_is_known_is_accepted_as_by_ssh(certified, known):
    sshd = certified(known)
    assert ssh(sshd).returncode == 0
    assert refusal(sshd) is None


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
@pytest.mark.parametrize("authority", ["ed25519", "ecdsa", "rsa"])
def test_keys_and_authorities_of_all_kinds_are_understood(certified, kind, authority):
    assert refusal(certified(CA, kind=kind, authority=authority)) is None


SIGNED = {
    "any-name": ("-h",),
    "several-names": ("-h", "-n", "far.example,127.0.0.1"),
    "for-an-hour": (*FAR, "-V", "-1h:+1h"),
}


@pytest.mark.parametrize("sign", SIGNED.values(), ids=SIGNED)
def test_certificates_as_people_sign_them_are_accepted(certified, sign):
    sshd = certified(CA, sign=sign)
    assert ssh(sshd).returncode == 0
    assert refusal(sshd) is None


REFUSED = {
    "pattern": (("-h", "-n", "127.0.0.*"), "is for 127.0.0.* and not for 127.0.0.1"),
    "another-name": ((*FAR[:-1], "far.example"), "is for far.example and not for 127.0.0.1"),
    "expired": ((*FAR, "-V", "20200101:20200102"), "has expired on 2020-01-0"),
    "too-early": ((*FAR, "-V", "20990101:20990102"), "is not valid before 2098-12-31|2099"),
    "of-a-user": (FAR[1:], "is one of users"),
    "critical-option": ((*FAR, "-O", "critical:x@example"), "has critical options"),
    "sha-1": ((*FAR, "-t", "ssh-rsa"), "has no valid signature"),
}


@pytest.mark.parametrize(("sign", "words"), REFUSED.values(), ids=REFUSED)
def test_a_certificate_that_ssh_refuses_is_named_and_the_remedy_helps(certified, sign, words):
    sshd = certified(CA, sign=sign, authority="rsa" if "ssh-rsa" in sign else "ed25519")
    assert ssh(sshd).returncode == 255
    error = refusal(sshd)
    assert error is not None
    assert words.split("|")[0] in str(error) or words.split("|")[-1] in str(error)
    assert "whose certificate" in str(error)
    command = error.hint.partition("log in once: ")[2]
    assert command == ssh_command(sshd.target())
    assert ssh(sshd, "-o", "StrictHostKeyChecking=accept-new").returncode == 0
    assert refusal(sshd) is None


UNKNOWN = {
    "another-authority": ("@cert-authority * {other}",),
    "authority-of-others": ("@cert-authority elsewhere {ca}",),
    "no-marker": ("{name} {ca}",),
    "authority-is-revoked": (*CA, "@revoked * {ca}"),
    "key-is-revoked": (*CA, "@revoked * {key}"),
    "certificate-is-revoked": ("{name} {key}", "@revoked {name} {certificate}"),
    "certificate-is-revoked-with-authority": (*CA, "@revoked * {certificate}"),
    "certificate-for-a-key": ("{name} {certificate}",),
}


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
@pytest.mark.parametrize("known", UNKNOWN.values(), ids=UNKNOWN)
def test_an_authority_that_is_not_the_hosts_is_refused_as_by_ssh(certified, known, kind):
    sshd = certified(known, kind=kind)
    assert ssh(sshd).returncode == 255
    assert refusal(sshd) is not None


def revocations(folder: Path, what: str, *, krl: bool) -> Path:
    """Return a file that revokes a key, an authority, or another key."""
    public = folder / f"{what}.pub"
    if what == "other":
        public.write_text(generate("other").public)
    if not krl:
        return public
    keygen("-k", "-f", folder / "krl", public)
    return folder / "krl"


BY_KEY = ("{name} {key}",)
REVOCATIONS = {
    "key": ("host", CA, False),
    "key-without-authority": ("host", BY_KEY, False),
    "authority": ("ca", CA, False),
    "another": ("other", CA, True),
    "another-without-authority": ("other", BY_KEY, True),
}
CASES = {f"{name}-{krl}": (*case, krl) for name, case in REVOCATIONS.items() for krl in (0, 1)}
CASES["certificate"] = ("host-cert", CA, False, 1)
CASES["certificate-in-text"] = ("host-cert", CA, False, 0)
CASES["certificate-in-text-without-authority"] = ("host-cert", BY_KEY, False, 0)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_revoked_host_keys_names_is_refused_as_by_ssh(certified, tmp_path, case):
    what, known, accepted, krl = case
    sshd = certified(known)
    path = revocations(tmp_path, what, krl=bool(krl))
    assert (ssh(sshd, "-o", f"RevokedHostKeys={path}").returncode == 0) == accepted
    error = refusal(sshd, revoked_host_keys=path)
    assert (error is None) == accepted
    assert error is None or "which is revoked" in str(error)


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_a_certificate_in_a_file_of_revoked_keys_revokes_its_key_as_with_ssh(
    certified, tmp_path, kind
):
    sshd, path = certified(BY_KEY, kind=kind), tmp_path / "host-cert.pub"
    assert ssh(sshd, "-o", f"RevokedHostKeys={path}").returncode == 255
    error = refusal(sshd, revoked_host_keys=path)
    assert error is not None
    assert "which is revoked" in str(error)


def test_comments_and_blank_lines_in_a_file_of_revoked_keys_are_passed_over(certified, tmp_path):
    sshd, path = certified(BY_KEY), tmp_path / "revoked"
    keygen("-t", "dsa", "-N", "", "-f", tmp_path / "dsa")
    old, host = (tmp_path / "dsa.pub").read_text(), (tmp_path / "host.pub").read_text()
    path.write_text(f"# lost in 2019\n\n \t# and\n{generate('other').public}\r\n{old}")
    assert ssh(sshd, "-o", f"RevokedHostKeys={path}").returncode == 0
    assert refusal(sshd, revoked_host_keys=path) is None
    with path.open("a") as revoked:
        revoked.write(f" \t{host}")
    assert ssh(sshd, "-o", f"RevokedHostKeys={path}").returncode == 255
    assert refusal(sshd, revoked_host_keys=path) is not None


OTHER = generate("other").public.encode()
UNREADABLE = {
    "absent": None,
    "cut-list": b"SSHKRL\n\0 cut",
    "folder": "folder",
    "words": b"no keys\n",
    "one-word": OTHER + b"\nwords\n",
    "known-hosts": b"* " + OTHER,
    "cut-key": OTHER + b"\nssh-ed25519 AAAA\n",
    "key-of-another-type": OTHER.replace(b"ssh-ed25519", b"ssh-rsa", 1),
    "binary": b"\xff\xfe\n",
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_of_revoked_keys_that_cannot_be_read_refuses_all(certified, tmp_path, content):
    sshd, path = certified(CA), tmp_path / "revoked"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    assert ssh(sshd, "-o", f"RevokedHostKeys={path}").returncode == 255
    with pytest.raises(ConfigError, match=f"RevokedHostKeys .* is '{path}', which cannot be read"):
        refusal(sshd, revoked_host_keys=path)


def test_an_alias_is_the_name_that_a_certificate_is_for(certified):
    sshd = certified(("@cert-authority far.example {ca}",), sign=("-h", "-n", "far.example"))
    assert refusal(sshd, alias="Far.Example") is None
    assert refusal(sshd) is not None
