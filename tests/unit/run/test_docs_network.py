"""How a frame travels, as docs/network.md says it, is how it is traced and measured."""

import re

from farswitch.links.underlay import OVERHEAD_V4, OVERHEAD_V6
from farswitch.model.cluster import cluster
from farswitch.site.loader import load_site
from farswitch.trace.hops import hops
from tests.documented import ROOT

NETWORK = (ROOT / "docs/network.md").read_text(encoding="utf-8")
HOP = re.compile(r"^\| \d+ \| (\w+) \| [^|]*`(\w+)` \|", re.MULTILINE)
HEADER = re.compile(r"^\| (Ethernet of the guests|IPv4|UDP|VXLAN) \| (\d+) \|(.*)", re.MULTILINE)
MTU = re.compile(r"^\| (\w+)\b.* \| (\d+) \| (\d+) \| \**(\d+)", re.MULTILINE)


def test_each_hop_is_one_of_a_trace_in_its_order():
    lab = cluster(load_site("lab"), 3)
    way = hops(lab, lab.guests[0], lab.guests[2], {"server1": "eth1", "server2": "eth1"})
    assert HOP.findall(NETWORK) == [(hop.host, hop.name) for hop in way]


def test_headers_and_sizes_add_up():
    table, _, sizes = NETWORK.partition("\nAn MTU counts")
    headers = {name: (int(size), more) for name, size, more in HEADER.findall(table)}
    assert sum(size for size, _ in headers.values()) == OVERHEAD_V4
    assert f"IPv6: {headers['IPv4'][0] + OVERHEAD_V6 - OVERHEAD_V4}" in headers["IPv4"][1]
    rows = MTU.findall(sizes)
    assert {kind for kind, *_ in rows} == {"IPv4", "IPv6", "WireGuard"}
    for kind, underlay, less, guests in rows:
        assert int(less) == (OVERHEAD_V6 if kind == "IPv6" else OVERHEAD_V4)
        assert int(underlay) - int(less) == int(guests)
