"""libvirt behind ssh: a libvirtd of the test's own, in a mount namespace with its own folders."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from farswitch.connections.libvirt.domains import LibvirtError
from farswitch.connections.libvirt.plugin import Hypervisor, Libvirt
from farswitch.connections.shell.protocol import HostKeyError
from farswitch.connections.shell.ssh import PROCESSES
from farswitch.deadline import Deadline, wait_until
from tests.held import nothing_left
from tests.ssh.conftest import Sshd
from tests.ssh.proxy import Proxy

pytestmark = [pytest.mark.ssh, pytest.mark.root]
PRIVATE = ("/run", "/var/lib/libvirt", "/var/log/libvirt", "/etc/libvirt")
CACHE = "/var/cache/libvirt"
"""With these all that libvirtd writes to; the test says so if it touched the machine's own."""
POOL = "/var/lib/libvirt/images/farswitch"
FREED_AT_THE_END = """
import json, sys
from farswitch.connections.libvirt import far_socket
from farswitch.connections.libvirt.plugin import Libvirt

plugin = Libvirt()
plugin.open(**json.loads(sys.argv[1]))
kept = plugin.connection.connection().storagePoolDefineXML(sys.argv[2])
names = {"wake": far_socket._wake}
exec(sys.argv[3], names)
far_socket._wake = names.pop("wake_by_the_main_thread")
plugin.close()
"""
WAKE = """
import threading

def wake_by_the_main_thread(socket):
    if threading.current_thread() is not threading.main_thread():
        threading.Event().wait()
    wake(socket)
"""
"""With names of its own: else the thread that waits in it keeps the program's from being freed."""


def settings_of_the_machine() -> dict[str, int]:
    return {str(path): path.lstat().st_mtime_ns for path in Path("/etc/libvirt").rglob("*")}


@dataclass
class Daemon:
    """The test's libvirtd, in the mount namespace of its sshd."""

    sshd: Sshd
    program: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def root(self) -> Path:
        """The server's root folder, as this machine sees it."""
        assert self.sshd.process is not None
        return Path(f"/proc/{self.sshd.process.pid}/root")

    def start(self) -> None:
        inside = ["nsenter", f"--mount={self.root.parent}/ns/mnt", "--", "unshare", "--net", "--"]
        socket = self.root / "run/libvirt/libvirt-sock"
        socket.unlink(missing_ok=True)
        with (self.sshd.folder / "libvirtd.log").open("ab") as log:
            self.process = subprocess.Popen([*inside, self.program], stdout=log, stderr=log)
        wait_until(socket.exists, Deadline(60), what="The test's libvirtd")

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    @contextlib.contextmanager
    def awake_again(self) -> Iterator[None]:
        """Let it go on at the end, whatever happens."""
        try:
            yield
        finally:
            self.send(signal.SIGCONT)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        assert self.process is not None
        self.send(number)
        self.process.wait(60)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first libvirtd finds out about QEMU in seconds, for all that come after it."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def daemon(make_sshd: Callable[..., Sshd], cache: Path) -> Iterator[Daemon]:
    libvirtd = shutil.which("libvirtd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert libvirtd, "farswitch/lab/install.sh installs libvirtd"
    before = settings_of_the_machine()
    there = [folder for folder in PRIVATE if Path(folder).is_dir()]
    mounts = "; ".join(f"mount -t tmpfs tmpfs {folder}" for folder in there)
    mounts += f"; mount --bind {cache} {CACHE}"
    sshd = make_sshd("far", within=f"{mounts}; mkdir -p /run/sshd /run/lock /run/dbus {POOL}")
    daemon = Daemon(sshd, libvirtd)
    daemon.start()
    yield daemon
    daemon.stop()
    assert settings_of_the_machine() == before


def server_of(sshd: Sshd, port: int) -> dict[str, Any]:
    """What Nornir would give to the plugin for such a host."""
    extras = {
        "name": "server1",
        "key_file": str(sshd.folder / "key"),
        "known_hosts": str(sshd.folder / "known"),
    }
    return {"hostname": "127.0.0.1", "port": port, "username": "root", "extras": extras}


@pytest.fixture
def far(daemon: Daemon) -> dict[str, Any]:
    """A server whose sshd and libvirtd share folders that nobody else sees."""
    return server_of(daemon.sshd, daemon.sshd.port)


@contextlib.contextmanager
def connected(server: dict[str, Any]) -> Iterator[Hypervisor]:
    plugin = Libvirt()
    plugin.open(**server)
    yield plugin.connection
    plugin.close()


@pytest.fixture
def hypervisor(far: dict[str, Any]) -> Iterator[Hypervisor]:
    with connected(far) as hypervisor:
        yield hypervisor


@contextlib.contextmanager
def wired(daemon: Daemon, *, refuse: int = 0) -> Iterator[tuple[Proxy, dict[str, Any]]]:
    """A wire to the server, and the server as it is reached by it."""
    with Proxy(daemon.sshd.port, refuse=refuse) as proxy:
        with (daemon.sshd.folder / "known").open("a") as known:
            known.write(f"[127.0.0.1]:{proxy.port} {daemon.sshd.host.public}\n")
        yield proxy, server_of(daemon.sshd, proxy.port)


def test_a_pool_is_made_filled_and_removed(hypervisor, daemon):
    assert hypervisor.ensure_pool("farswitch", POOL)
    assert not hypervisor.ensure_pool("farswitch", POOL)
    data, steps = os.urandom(3 << 20), []
    modes = set()

    def step(sent: int) -> None:
        steps.append(sent)
        modes.add(stat.S_IMODE((daemon.root / POOL[1:] / "image").stat().st_mode))

    hypervisor.upload("farswitch", "image", data, len(data), mode=0o600, progress=step)
    assert modes == {0o600}, "a seed is nobody else's to read, from its first byte on"
    assert steps[-1] == len(data)
    assert steps == sorted(steps)
    (image,) = hypervisor.volumes("farswitch")
    assert (image.name, image.capacity, image.complete) == ("image", len(data), True)
    hypervisor.create_overlay("farswitch", "disk", image.path, 1 << 30, backing_format="raw")
    assert [volume.name for volume in hypervisor.volumes("farswitch")] == ["disk", "image"]
    assert hypervisor.volume("farswitch", "disk").capacity == 1 << 30
    with pytest.raises(LibvirtError):
        hypervisor.remove_pool("farswitch")
    for name in ("disk", "image"):
        assert hypervisor.delete_volume("farswitch", name)
    assert hypervisor.remove_pool("farswitch")


def test_an_upload_that_breaks_off_leaves_no_volume(hypervisor):
    hypervisor.ensure_pool("farswitch", POOL)
    with pytest.raises(LibvirtError, match="ended after 1000 of 5000 bytes"):
        hypervisor.upload("farswitch", "image", b"x" * 1000, 5000)
    assert hypervisor.volumes("farswitch") == ()
    assert hypervisor.remove_pool("farswitch")


def test_an_upload_replaces_what_was_there(hypervisor):
    hypervisor.ensure_pool("farswitch", POOL)
    for data in (b"old" * 1000, b"new" * 100):
        hypervisor.upload("farswitch", "seed", data, len(data), mode=0o600)
    (seed,) = hypervisor.volumes("farswitch")
    assert seed.capacity == 300


def test_a_host_key_that_is_not_known_is_refused(far, tmp_path):
    far["extras"]["known_hosts"] = str(tmp_path / "none")
    with pytest.raises(HostKeyError, match="but we know none for it"):
        Libvirt().open(**far)


def test_a_libvirtd_that_was_restarted_is_asked_anew(hypervisor, daemon):
    assert hypervisor.list_domains() == ()
    daemon.stop(signal.SIGKILL)
    daemon.start()
    wait_until(lambda: not hypervisor._connection.isAlive(), Deadline(60), what="The end")
    assert hypervisor.list_domains() == ()


def test_a_libvirtd_that_does_not_run_is_named(hypervisor, daemon):
    daemon.stop(signal.SIGKILL)
    started = time.monotonic()
    for _ in range(2):
        with pytest.raises(LibvirtError, match="libvirt on 'server1'") as caught:
            hypervisor.list_domains()
    assert "libvirt" in str(caught.value)
    assert time.monotonic() - started < 20
    daemon.start()
    assert hypervisor.list_domains() == ()


@pytest.mark.parametrize("what", ["daemon", "wire"])
def test_a_libvirt_that_hangs_is_an_error_in_time(daemon, what, monkeypatch):
    monkeypatch.setattr("farswitch.connections.libvirt.open.KEEPALIVE_SECONDS", 1)
    monkeypatch.setattr("farswitch.connections.libvirt.open.KEEPALIVE_COUNT", 2)
    with wired(daemon) as (proxy, server), connected(server) as hypervisor:
        daemon.send(signal.SIGSTOP) if what == "daemon" else proxy.hang()
        started = time.monotonic()
        with daemon.awake_again():
            with pytest.raises(LibvirtError, match=r"'server1', list of domains: .*keepalive"):
                hypervisor.list_domains()
            assert time.monotonic() - started < 20


@pytest.mark.usefixtures("never_slow")
def test_a_libvirt_that_hangs_from_the_start_is_an_error_in_time(daemon, far, monkeypatch):
    monkeypatch.setattr("farswitch.connections.libvirt.open.OPEN_SECONDS", 2.0)
    daemon.send(signal.SIGSTOP)
    said = "'server1', connection: it did not answer within 2 s"
    with daemon.awake_again(), pytest.raises(LibvirtError, match=said):
        Libvirt().open(**far)


def test_a_libvirt_that_hangs_holds_no_channel_of_its_login(daemon, far, monkeypatch):
    others = carriers()
    with connected(far) as hypervisor, daemon.awake_again():
        monkeypatch.setattr("farswitch.connections.libvirt.open.OPEN_SECONDS", 0.5)
        daemon.send(signal.SIGSTOP)
        hypervisor._connection, lost = None, hypervisor._connection
        for _ in range(PROCESSES + 1):
            with pytest.raises(LibvirtError, match=r"'server1', connection: it did not answer"):
                hypervisor.list_domains()
        processes = carriers() - others
        wait_until(lambda: not carriers() - others, Deadline(60), what="The end")
        assert len(processes) <= 1
        del lost


def carriers() -> set[threading.Thread]:
    """The threads that carry libvirt's bytes; those of an earlier test may just be ending."""
    return {thread for thread in threading.enumerate() if thread.name == "libvirt of server1"}


def test_an_upload_that_is_cut_is_never_used_and_made_anew(daemon, far):
    data = os.urandom(8 << 20)
    folder = daemon.root / POOL[1:]
    with wired(daemon) as (proxy, server), connected(server) as hypervisor:
        hypervisor.ensure_pool("farswitch", POOL)
        proxy.after(4 << 20, proxy.close)
        with pytest.raises(LibvirtError, match="'server1', upload of volume 'image'"):
            hypervisor.upload("farswitch", "image", data, len(data))
    with connected(far) as hypervisor:
        (half,) = hypervisor.volumes("farswitch")
        assert (half.name, half.complete) == ("image", False)
        hypervisor.upload("farswitch", "image", data, len(data))
        (whole,) = hypervisor.volumes("farswitch")
        assert whole.complete
    assert (folder / "image").read_bytes() == data
    assert sorted(one.name for one in folder.iterdir()) == ["image", "image.farswitch"]


def test_a_full_disk_ends_an_upload_and_leaves_nothing(hypervisor, daemon):
    subprocess.run(
        ["nsenter", f"--mount={daemon.root.parent}/ns/mnt", "mount", "-t", "tmpfs", "-o", "size=1m",
         "tmpfs", POOL], check=True,
    )  # fmt: skip
    hypervisor.ensure_pool("farswitch", POOL)
    data = b"x" * (4 << 20)
    with pytest.raises(LibvirtError, match=r"'server1', upload .*'image'.* No space left"):
        hypervisor.upload("farswitch", "image", data, len(data))
    assert hypervisor.volumes("farswitch") == ()
    assert list((daemon.root / POOL[1:]).iterdir()) == []
    hypervisor.upload("farswitch", "image", data[:1000], 1000)


def test_logins_that_sshd_refuses_for_a_while_do_not_end_libvirt(daemon):
    with wired(daemon, refuse=2) as (proxy, server), connected(server) as hypervisor:
        assert hypervisor.list_domains() == ()
        assert proxy.refused == 2


GREETING = {".bashrc": "echo Welcome; echo careful >&2\n", ".ssh/rc": "echo and good day\n"}


def test_a_login_that_talks_carries_libvirt(daemon, far):
    for name, text in GREETING.items():
        path = daemon.sshd.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    with connected(far) as hypervisor:
        assert hypervisor.list_domains() == ()


def test_a_key_given_itself_and_a_pinned_host_key_carry_libvirt(daemon, far):
    key = (daemon.sshd.folder / "key").read_text()
    far["extras"] = {"private_key": key, "host_key": daemon.sshd.host.public}
    with connected(far) as hypervisor:
        assert hypervisor.list_domains() == ()


PLACES = {
    "noexec": "mount -t tmpfs -o noexec tmpfs /mnt",
    "read-only": "mount -t tmpfs -o ro tmpfs /mnt",
    "full": "mount -t tmpfs -o nr_inodes=1 tmpfs /mnt",
}
CONTROLLER = """\
import sys
from farswitch.connections.libvirt.plugin import Libvirt
_, key, known, port = sys.argv
libvirt = Libvirt()
extras = {"name": "server1", "key_file": key, "known_hosts": known}
libvirt.open(hostname="127.0.0.1", port=int(port), username="root", extras=extras)
print(libvirt.connection.list_domains())
libvirt.close()
"""


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("variable", ["TMPDIR", "HOME", "XDG_RUNTIME_DIR"])
def test_a_controller_needs_no_folder_to_run_programs_from(daemon, place, variable):
    sshd = daemon.sshd
    files = [str(sshd.folder / "key"), str(sshd.folder / "known"), str(sshd.port)]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", f'{place}; exec "$@"', "sh",
         sys.executable, "-c", CONTROLLER, *files],
        env={**os.environ, variable: "/mnt"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "()\n"), done.stderr


def test_a_long_and_odd_name_of_the_temporary_folder_is_fine(far, tmp_path, monkeypatch):
    folder = tmp_path / ("a b & ' ? %41 ü" * 8)
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with connected(far) as hypervisor:
        assert hypervisor.list_domains() == ()
        assert list(folder.iterdir()) == [], "the socket's name goes as soon as it has served"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with connected(far) as hypervisor:
        assert hypervisor.list_domains() == ()


def test_connections_leave_no_descriptor_and_no_thread(far):
    def connect() -> None:
        with connected(far) as hypervisor:
            assert hypervisor.list_domains() == ()

    connect()  # starts what stays: the loop of libvirt's events
    with nothing_left():
        for _ in range(5):
            connect()


def test_a_program_ends_that_still_has_something_of_a_closed_connection(far):
    pool = "<pool type='dir'><name>kept</name><target><path>/srv</path></target></pool>"
    argv = [sys.executable, "-c", FREED_AT_THE_END, json.dumps(far), pool, WAKE]
    subprocess.run(argv, check=True, timeout=60)


def test_a_server_without_libvirts_helper_is_named(make_sshd, tmp_path):
    programs = "mkdir {0}; cp /bin/sh /bin/bash /bin/env {0}; mount --bind {0} /usr/bin"
    sshd = make_sshd("bare", within=programs.format(tmp_path / "bin"))
    with pytest.raises(LibvirtError, match=r"'server1', connection: .*virt-ssh-helper") as caught:
        Libvirt().open(**server_of(sshd, sshd.port))
    assert "apt install libvirt-daemon-system" in caught.value.hint
