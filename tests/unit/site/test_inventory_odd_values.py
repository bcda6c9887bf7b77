"""Values that nobody can mean, at every place of a site: refused, with the line of that value.

Each place gets each odd value in turn, in files that are written in many ways.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farswitch.errors import ConfigError
from farswitch.site.loader import load_site

EXAMPLES = 300

SITE = {
    "hosts.yaml": """\
server1:
  hostname: 198.51.100.11
  groups: [hypervisor]
  username: admin
  port: 22
  data:
    underlay: 203.0.113.11
    key_file: keys/one
    known_hosts: ~/.ssh/known_hosts
    local: false
server2:
  hostname: server2.example.net
  groups: [switch]
  data:
    underlay: 203.0.113.12
node[1-3]:
  groups: [guest]
  data:
    hypervisor: server1
""",
    "groups.yaml": """\
hypervisor:
  username: root
  port: 22
  data:
    key_file: key
switch:
  data:
    local: false
guest:
  data:
    hypervisor: server1
""",
    "defaults.yaml": """\
data:
  cluster: hpc1
  vni_base: 1001
  udp_port: 4789
  mtu: auto
  data_network: 10.20.0.0/24
  management_network: 10.21.0.0/24
  memory: 512
  vcpus: 1
  disk: 4
  image:
    source: debian.qcow2
    sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
  firewall: reset
  anti_spoof: false
  user: mpi
  uid: 2000
  share: /shared
  mpi:
    launcher_ports: 20000-20099
    payload_ports: 21000-21999
  boot_timeout: 300
  boots_at_once: auto
  pool: farswitch
  pool_path: /srv/farswitch/vms
""",
}
ANY = (
    "", '""', "''", "[]", "{}", "[x]", "{x: y}", ".nan", ".inf", "1.5", "1e3", "2001-01-01",
    "-1", "99999999999999999999", '"\\0"', '"\\ud800"', '"a\\nb"', "&x", "|\n        text",
    "'", '"x', "[x", "{x: y", "]", "*x", "!x y", "!!python/object:os.system x", "%x", "@x", "`x`",
    "\t", "x: y", "010", "1_000", '"\\u202e"', "$VALUE", "${VALUE}", "٣", "'x' y", "a\x07b",
)  # fmt: skip
"""What is no value of any key."""
ADDRESS = (
    "0.0.0.0", "255.255.255.255", "224.0.0.1", "239.1.2.3", "240.0.0.1", "169.254.1.1", "0.1.2.3",
    "'::'", "fe80::1", "'fe80::1%eth0'", "ff02::1", "'::ffff:198.51.100.1'", "198.51.100.1/24",
    "198.51.100", "198.051.100.1", "198.51.100.256", "0xc6336401", "3325256705", "'[2001:db8::1]'",
    "'198.51.100.1 '", "2001:db8::1::2", "a b", "-a", "ssh://a", "root@a", "a:22", "ä",
)  # fmt: skip
NUMBER = ("x", "12:30:45", "'22'", "22.0", "0", "true", "16777217")
FLAG = ("yes", "no", "on", "off", "'true'", "0", "1", "x", "~")
USER = (
    "users", "root", "daemon", "nogroup", "kvm", "sudo", "systemd-network", "User", "a b", "-x",
    "_apt", "1000", "x.y", "ü", "a$",
)  # fmt: skip
LOGIN = ("a b", "-l", "1000", "ü", "a@b", "'a;b'", "'a\"b'")
FILE = ("/", ".", "..", "~", "~nosuch/x", "a b", "keys/", "/dev/..", "-", "ä", "a;b", "a*")
NETWORK = (
    "10.0.0.0", "10.0.0.1/24", "10.0.0.0/29", "10.0.0.0/7", "10.0.0.0/255.255.255.0",
    "10.0.0.0/0.0.0.255", "10.0.0.0/024", "10.0.0.0/٢٤", "127.0.0.0/24", "224.0.0.0/24",
    "240.0.0.0/24", "169.254.0.0/24", "0.0.0.0/8", "255.0.0.0/8", "fd00::/64", "10/8", "x",
    "198.51.100.0/24 ,",
)  # fmt: skip
FOLDER = (
    "x",
    "/",
    "/etc/x",
    "/proc/x",
    "~/x",
    "/a/../b",
    "/a b/c",
    "/a/",
    "//a/b",
    "/ä/b",
    "/a/$X",
)
PORTS = ("1-2", "20000", "20099-20000", "20000-70000", "a-b", "20000 - 20099", "020000-020099")
NAME = ("X", "1x", "-x", "a_b", "a.b", "a b", "ä", "a/b", "a" * 64, "x;y")
ODD: dict[str, dict[tuple[str, ...], tuple[str, ...]]] = {
    "hosts.yaml": {
        ("server1", "hostname"): ADDRESS,
        ("server1", "groups"): ("hypervisor", "[hypervisor, switch]", "[swich]", "[[guest]]", "~"),
        ("server1", "username"): LOGIN,
        ("server1", "port"): (*NUMBER, "65536", "-22"),
        ("server1", "data", "underlay"): (*ADDRESS, "127.0.0.1", "'::1'", "a"),
        ("server1", "data", "key_file"): tuple(value for value in FILE if value not in {"~", "-"}),
        ("server1", "data", "known_hosts"): tuple(v for v in FILE if v not in {"~", "-"}),
        ("server1", "data", "local"): FLAG,
        ("node[1-3]", "data", "hypervisor"): ("server2", "server3", "node1", "3", "true"),
    },
    "groups.yaml": {
        ("hypervisor", "username"): LOGIN,
        ("hypervisor", "port"): NUMBER,
        ("hypervisor", "data", "key_file"): ("/", "..", "a b"),
        ("switch", "data", "local"): FLAG,
        ("guest", "data", "hypervisor"): ("server2", "x", "3"),
    },
    "defaults.yaml": {
        ("data", "cluster"): (*NAME, "x-", "a" * 21),
        ("data", "vni_base"): (*NUMBER, "-1", "0x1000000"),
        ("data", "udp_port"): (*NUMBER, "80", "65536"),
        ("data", "mtu"): (*NUMBER, "Auto", "575", "65486", "~"),
        ("data", "data_network"): NETWORK,
        ("data", "management_network"): NETWORK,
        ("data", "memory"): (*NUMBER, "512M", "255"),
        ("data", "vcpus"): (*NUMBER, "256"),
        ("data", "disk"): (*NUMBER, "4G", "1"),
        ("data", "image", "source"): (
            "~nosuch/x", "~root/x", "~", "/", "..", "x/", "ftp://a/b", "http:x", "http://", "http://[",
            "https://u:p@a/b", "http://a:99999/x", "http://a:x/y", "$HOME/x", "a b", "-x", "ä",
        ),
        ("data", "image", "sha256"): ("abc", "A" * 64, "a" * 63, "g" * 64),
        ("data", "firewall"): ("off", "no", "Reset", "all", "true", "~"),
        ("data", "anti_spoof"): FLAG,
        ("data", "user"): USER,
        ("data", "uid"): (*NUMBER, "999", "65534"),
        ("data", "share"): (*FOLDER, "/home", "/var/x", "/" + "x" * 60),
        ("data", "mpi", "launcher_ports"): PORTS,
        ("data", "mpi", "payload_ports"): PORTS,
        ("data", "boot_timeout"): (*NUMBER, "5m", "9"),
        ("data", "boots_at_once"): (*NUMBER, "Auto", "901", "~"),
        ("data", "pool"): ("..", "a/b", "a b", "-x", "ä"),
        ("data", "pool_path"): (*FOLDER, "/srv", "/sys/x", "/" + "x/" * 200 + "y"),
    },
}  # fmt: skip
PLACES = [(name, place) for name, places in ODD.items() for place in places]


def key_line(text: str, place: tuple[str, ...]) -> int:
    """Return the index of the line of a key in a file that has one key a line."""
    at = -1
    lines = text.split("\n")
    for depth, key in enumerate(place):
        start = f"{'  ' * depth}{key}:"
        at = next(i for i in range(at + 1, len(lines)) if lines[i].startswith(start))
    return at


def odd_site(name: str, place: tuple[str, ...], value: str) -> tuple[dict[str, str], int]:
    """Return the files with a value at a place, and its line, counted from 1."""
    lines = SITE[name].split("\n")
    at = key_line(SITE[name], place)
    lines[at] = f"{lines[at].partition(':')[0]}: {value}"
    return SITE | {name: "\n".join(lines)}, at + 1


def refused(site: Path, files: dict[str, bytes]) -> str:
    """Return what loading a site of these files raises."""
    for file, content in files.items():
        (site / file).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_site(str(site))
    return str(caught.value)


def test_the_site_itself_is_right(tmp_path: Path):
    """The control of the other tests here."""
    for file, text in SITE.items():
        (tmp_path / file).write_text(text)
    assert load_site(str(tmp_path)).settings.cluster == "hpc1"


@pytest.mark.parametrize(("name", "place"), PLACES, ids=[".".join(place) for _, place in PLACES])
def test_an_odd_value_is_refused_at_its_line(name: str, place: tuple[str, ...], tmp_path: Path):
    for value in (*ODD[name][place], *ANY):
        files, line = odd_site(name, place, value)
        sentences = refused(tmp_path, {file: text.encode() for file, text in files.items()})
        assert f"{tmp_path}/{name}, line {line}: " in sentences, value


@st.composite
def written(draw: st.DrawFn) -> tuple[dict[str, bytes], str, int]:
    """Return a site with one odd value, in files with comments, empty lines and line ends of many
    kinds; the file and the line of the value."""
    name, place = draw(st.sampled_from(PLACES))
    value = draw(st.sampled_from((*ODD[name][place], *ANY)))
    text, line = odd_site(name, place, value)
    above = draw(st.lists(st.sampled_from(("", "# a comment", "  # another: 'one")), max_size=4))
    end = draw(st.sampled_from(("\n", "\r\n")))
    mark = draw(st.sampled_from(("", "\ufeff")))
    files = {file: content.encode() for file, content in text.items()}
    spoiled = "\n".join([*above, text[name]]).replace("\n", end)
    return files | {name: (mark + spoiled).encode()}, name, line + len(above)


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(case=written())
def test_any_odd_value_in_any_writing_is_refused_at_its_line(case, tmp_path):
    files, name, line = case
    assert f"{tmp_path}/{name}, line {line}: " in refused(tmp_path, files)
