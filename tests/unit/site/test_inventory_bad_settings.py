"""Each row edits defaults.yaml of the lab's site; the sentence is what the user reads."""

from __future__ import annotations

import pytest

A_NETWORK = "wanted an IPv4 network from /8 to /28, its first address given, as 10.0.0.0/24."
A_SOURCE = "wanted 'farswitch', an http(s) URL without a password, or a file's path without spaces."
A_PATH = (
    "wanted a path such as /shared or /srv/data, outside of the system's folders, "
    "of 60 characters at most."
)
A_USER = (
    "wanted a user name of 1 to 32 of a-z, 0-9, '_' and '-' "
    "that is no user or group of the system's."
)
A_POOL_PATH = "wanted an absolute path of two folders or more, outside of the system's."
A_RANGE = "wanted two ports from 1024 to 65535, as 20000-20099."
A_DIGEST = "wanted 64 hexadecimal digits in lower case."
SWITCHES = (
    "wanted a mapping from names of a-z, 0-9 and '-', none a kind's, to switches as 'switch' is."
)
A_TSO = "wanted true or false; true only with 'datapath: netdev'."
PORTS = "wanted a mapping from guests or node sets to 'to_guest', 'from_guest' and 'link'."
A_DELAY = "wanted a time of up to 60 s in whole microseconds, with its unit, as 2ms or 500us."
A_LOSS = "wanted a percentage to four places with its sign, as 0.1%."
A_DIRECTION = (
    "which a build could not end with, wanted a direction; take it down by 'farswitch impair'."
)
DEFAULTS_ROWS = {
    "switches-a-list": ("switches: [bridge]", f"'switches' is [\"bridge\"], {SWITCHES}"),
    "switches-a-bad-name": ("switches: {A b: bridge}", f"'switches' is a mapping, {SWITCHES}"),
    "switches-a-kind": ("switches: {bridge: bridge}", f"'switches' is a mapping, {SWITCHES}"),
    "switches-no-switch": ("switches: {one: 3}", f"'switches.one' is 3, {SWITCHES}"),
    "switches-no-kind": (
        "switches: {one: {brige: {}}}",
        "'switches.one.brige' is no known key, wanted 'bridge'.",
    ),
    "switches-a-bad-setting": (
        "switches: {one: {openvswitch: {tso: 1}}}",
        f"'switches.one.openvswitch.tso' is 1, {A_TSO}",
    ),
    "impairments-a-list": ("impairments: [node1]", f"'impairments' is [\"node1\"], {PORTS}"),
    "impairments-bare-number": (
        "impairments: {node1: {to_guest: {delay: 2}}}",
        f"'impairments.node1.to_guest.delay' is 2, {A_DELAY}",
    ),
    "impairments-in-words": (
        "impairments: {node1: {from_guest: loss 1}}",
        f"'impairments.node1.from_guest.loss' is \"1\", {A_LOSS}",
    ),
    "impairments-unknown-key": (
        "impairments: {node1: {to_gest: loss 1%}}",
        "'impairments.node1.to_gest' is no known key, wanted 'to_guest'.",
    ),
    "impairments-no-guest": (
        "impairments: {node9: {to_guest: loss 1%}}",
        "'node9' is no guest of hosts.yaml, wanted one.",
    ),
    "impairments-twice": (
        "impairments: {'node[1-2]': {from_guest: loss 1%}, node2: {to_guest: loss 1%}}",
        "'node2' is in 'node[1-2]', too, wanted it once.",
    ),
    "impairments-link": (
        "impairments: {node1: {link: down}}",
        f"a site's port is not 'down', {A_DIRECTION}",
    ),
    "impairments-no-set": (
        "impairments: {'node[1-': {to_guest: loss 1%}}",
        "'node[1-' is no node set, wanted one such as node[1-3] or a1,b7.",
    ),
    "vni-0": ("vni_base: 0", "'vni_base' is 0, wanted a number from 1 to 16777215."),
    "vni-25-bits": (
        "vni_base: 16777216",
        "'vni_base' is 16777216, wanted a number from 1 to 16777215.",
    ),
    "vni-is-text": ('vni_base: "41"', "'vni_base' is \"41\", wanted a number from 1 to 16777215."),
    "vni-is-truth": ("vni_base: true", "'vni_base' is true, wanted a number from 1 to 16777215."),
    "unknown-key": ("vni_bse: 41", "'vni_bse' is no known key, wanted 'vni_base'."),
    "unknown-inner-key": (
        "image: {sorce: x}",
        "'image.sorce' is no known key, wanted 'source'.",
    ),
    "mtu-low": ("mtu: 575", "'mtu' is 575, wanted 'auto' or a number from 576 to 65485."),
    "mtu-high": ("mtu: 65486", "'mtu' is 65486, wanted 'auto' or a number from 576 to 65485."),
    "mtu-empty": ("mtu:", "'mtu' is empty, wanted 'auto' or a number from 576 to 65485."),
    "mtu-word": ("mtu: jumbo", "'mtu' is \"jumbo\", wanted 'auto' or a number from 576 to 65485."),
    "udp-port": ("udp_port: 80", "'udp_port' is 80, wanted a number from 1024 to 65535."),
    "memory": ("memory: 100", "'memory' is 100, wanted a number of MiB from 256 to 1048576."),
    "memory-unit": (
        "memory: 1G",
        "'memory' is \"1G\", wanted a number of MiB from 256 to 1048576.",
    ),
    "vcpus": ("vcpus: 0", "'vcpus' is 0, wanted a number from 1 to 255."),
    "pin-no-list": (
        "pin: {vcpus: 5-2}",
        "'pin.vcpus' is \"5-2\", wanted processors by their numbers, each once, as 2-5,8.",
    ),
    "pin-too-few": (
        "pin: {vcpus: 2-3}",
        "'pin.vcpus' has 2 processors, wanted 3 for 3 guests of 1 on 'server1'.",
    ),
    "pin-unknown-key": ("pin: {vcpu: 1}", "'pin.vcpu' is no known key, wanted 'vcpus'."),
    "disk": ("disk: 1.5", "'disk' is 1.5, wanted a number of GiB from 2 to 16384."),
    "boots-at-once": (
        "boots_at_once: 0",
        "'boots_at_once' is 0, wanted 'auto' or a number from 1 to 900.",
    ),
    "boot-timeout": (
        "boot_timeout: 0",
        "'boot_timeout' is 0, wanted a number of seconds from 10 to 7200.",
    ),
    "uid": ("uid: 0", "'uid' is 0, wanted a number from 1000 to 60000."),
    "user-root": ("user: root", f"'user' is \"root\", {A_USER}"),
    "user-shell": ("user: 'a;b'", f"'user' is \"a;b\", {A_USER}"),
    "firewall": ("firewall: off", "'firewall' is \"off\", wanted 'reset', 'narrow' or 'check'."),
    "forwarding": (
        "management_forwarding: 1",
        "'management_forwarding' is 1, wanted true or false.",
    ),
    "anti-spoof": ("anti_spoof: 'yes'", "'anti_spoof' is \"yes\", wanted true or false."),
    "share-relative": ("share: shared", f"'share' is \"shared\", {A_PATH}"),
    "share-system": ("share: /etc/x", f"'share' is \"/etc/x\", {A_PATH}"),
    "share-not-normal": ("share: /srv/../x", f"'share' is \"/srv/../x\", {A_PATH}"),
    "share-shell": ("share: /a$(x)", f"'share' is \"/a$(x)\", {A_PATH}"),
    "network-host-bits": (
        "data_network: 10.0.0.1/24",
        f"'data_network' is \"10.0.0.1/24\", {A_NETWORK}",
    ),
    "network-tiny": (
        "data_network: 10.0.0.0/29",
        f"'data_network' is \"10.0.0.0/29\", {A_NETWORK}",
    ),
    "network-loopback": (
        "data_network: 127.0.0.0/24",
        f"'data_network' is \"127.0.0.0/24\", {A_NETWORK}",
    ),
    "network-multicast": (
        "data_network: 224.0.0.0/24",
        f"'data_network' is \"224.0.0.0/24\", {A_NETWORK}",
    ),
    "network-ipv6": ("data_network: fd00::/64", f"'data_network' is \"fd00::/64\", {A_NETWORK}"),
    "data-in-management": (
        "data_network: 10.10.0.0/16",
        (
            "'management_network' is 10.10.0.0/24, which overlaps 'data_network' 10.10.0.0/16, "
            "wanted networks apart."
        ),
    ),
    "data-in-lab": (
        "data_network: 198.51.100.128/25",
        (
            "'controller_network' is 198.51.100.0/24, "
            "which overlaps 'data_network' 198.51.100.128/25, wanted networks apart."
        ),
    ),
    "source-scheme": (
        "image: {source: 'ftp://a/b'}",
        f"'image.source' is \"ftp://a/b\", {A_SOURCE}",
    ),
    "source-file-url": (
        "image: {source: 'file:///b'}",
        f"'image.source' is \"file:///b\", {A_SOURCE}",
    ),
    "source-password": (
        "image: {source: 'https://u:p@a/b'}",
        f"'image.source' is \"https://u:p@a/b\", {A_SOURCE}",
    ),
    "source-option": ("image: {source: -x}", f"'image.source' is \"-x\", {A_SOURCE}"),
    "sha256-missing": (
        "image: {source: disk.qcow2}",
        "'image.sha256' is missing, wanted the digest of the image at 'image.source'.",
    ),
    "packages-no-name": (
        "image: {packages: [gcc, 'a b']}",
        "'image.packages' is \"a b\", wanted a list of names of packages, as [gcc, make].",
    ),
    "packages-text": (
        "image: {packages: gcc}",
        "'image.packages' is \"gcc\", wanted a list of names of packages, as [gcc, make].",
    ),
    "packages-yours": (
        f"image: {{source: d, sha256: {64 * 'a'}, packages: [gcc]}}",
        "'image.packages' is given, wanted none but for our own image ('farswitch').",
    ),
    "sha256-short": ("image: {source: d, sha256: abc}", f"'image.sha256' is \"abc\", {A_DIGEST}"),
    "sha256-of-own": (
        f"image: {{sha256: {'a' * 64}}}",
        "'image.sha256' is given, wanted none for our own image ('farswitch').",
    ),
    "ports-order": (
        "mpi: {launcher_ports: 20099-20000}",
        f"'mpi.launcher_ports' is \"20099-20000\", {A_RANGE}",
    ),
    "ports-privileged": (
        "mpi: {payload_ports: 1000-2000}",
        f"'mpi.payload_ports' is \"1000-2000\", {A_RANGE}",
    ),
    "ports-high": (
        "mpi: {payload_ports: 65000-65536}",
        f"'mpi.payload_ports' is \"65000-65536\", {A_RANGE}",
    ),
    "ports-number": ("mpi: {launcher_ports: 20000}", f"'mpi.launcher_ports' is 20000, {A_RANGE}"),
    "ports-overlap": (
        "mpi: {launcher_ports: 21500-22000}",
        (
            "'mpi.payload_ports' is 21000-21999, which overlaps 'mpi.launcher_ports' 21500-22000, "
            "wanted ranges apart."
        ),
    ),
    "ports-of-nfs": (
        "mpi: {payload_ports: 2000-3000}",
        (
            "'mpi.payload_ports' is 2000-3000, which contains 2049, the port of NFS on the head, "
            "wanted a range without it."
        ),
    ),
    "ports-up-to-nfs": (
        "mpi: {launcher_ports: 2000-2049}",
        (
            "'mpi.launcher_ports' is 2000-2049, which contains 2049, the port of NFS on the head, "
            "wanted a range without it."
        ),
    ),
    "pool": ("pool: a/b", "'pool' is \"a/b\", wanted a name of letters, digits, '.', '_' and '-'."),
    "pool-path": (
        "pool_path: /etc",
        f"'pool_path' is \"/etc\", {A_POOL_PATH}",
    ),
    "mpi-no-mapping": ("mpi: 3", "'mpi' is 3, wanted a mapping with ranges of ports."),
    "tag": (
        "memory: !!python/object:os.system x",
        "found the tag 'tag:yaml.org,2002:python/object:os.system', wanted no tags.",
    ),
    "alias": ("memory: &a 512\n  disk: *a", "found an alias (*), wanted the value itself."),
    "twice": (
        "memory: 512\n  memory: 512",
        "found the key 'memory' twice, wanted it once (it is in line 4 too).",
    ),
    "key-no-text": ("7: 512", "found a key that is no text, wanted a name."),
    "endless-number": (
        f"memory: {'9' * 5000}",
        "found a value that cannot be read, wanted a plain one.",
    ),
}
LATE = {"alias", "twice"}
PLACES = {"data-in-management": 6, "data-in-lab": 7}


@pytest.mark.parametrize("case", DEFAULTS_ROWS)
def test_a_bad_setting_is_one_clear_sentence(refusal, case):
    new, sentence = DEFAULTS_ROWS[case]
    old = "data_network: 10.0.0.0/24" if new.startswith("data_network") else "vni_base: 41"
    line = PLACES.get(case, 5 if old.startswith("data") or case in LATE else 4)
    found = refusal("defaults.yaml", old, new)
    assert found[0] == f"site/defaults.yaml, line {line}: {sentence}"


def test_vnis_run_out_at_24_bits(refusal):
    found = refusal("defaults.yaml", "vni_base: 41", "vni_base: 16777214")
    sentence = "there are 3 guests, wanted 2 at most: there are no more VNIs from 16777214 on."
    assert found == [f"site/hosts.yaml, line 4: {sentence}"]
