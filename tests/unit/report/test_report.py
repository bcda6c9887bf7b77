"""Pages of runs, and what differs between two."""

import xml.etree.ElementTree as ET
from base64 import b64decode
from html.parser import HTMLParser

import pytest

from farswitch.report.compare import differences
from farswitch.report.heat import SHOWN, matrices, slowest, traffic
from farswitch.report.heat_svg import render_svg
from farswitch.report.page import render
from farswitch.report.waterfall import critical_path, waterfall
from farswitch.run.run_document import RunServer
from tests.unit.report.runs import build, check, report, run, servers, verify, work

PICTURE = "data:image/svg+xml;base64,"


class Page(HTMLParser):
    """What is in a page: its text, and what it would load or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.opened: list[str] = []
        self.loads: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "action")]

    def handle_data(self, data: str) -> None:
        self.words += data.split()


def test_the_end_is_led_back_to_the_start_over_all_hosts():
    steps = [(one.step, one.host) for one in waterfall(build(4)).path]
    assert steps == [
        ("preflight", "server1"),
        ("record", "server1"),
        ("bridge", "server1"),
        ("vxlan", "server1"),
        ("vm_boot", "node4"),
        ("mtu", "node4"),
    ]


def test_a_step_that_went_on_beside_others_is_no_part_of_the_chain():
    first, beside, last = work("a", "x", 0, 1), work("b", "y", 0, 1.5), work("c", "x", 1, 3)
    assert critical_path([first, beside, last]) == [first, last]
    assert critical_path([]) == []


def test_servers_come_first_and_marks_of_the_axis_stay_within_it():
    picture = waterfall(build(3))
    assert [host for host, _ in picture.rows] == ["server1", "server2", "node1", "node2", "node3"]
    assert picture.ticks[0] == (0, 0)
    assert all(0 <= share <= 1 for _, share in picture.ticks)
    ends = [bar.start + bar.width for _, bars in picture.rows for bar in bars]
    assert max(ends) <= 1
    boots = [bar for _, bars in picture.rows for bar in bars if bar.parts]
    assert [name for name, _, _ in boots[0].parts] == ["start", "ssh", "system", "nics"]


def test_a_page_brings_all_that_it_shows_and_runs_nothing():
    for one in (build(), build(64), verify(), verify(40), run()):
        page = Page(render(one))
        (address,) = page.loads
        assert address.startswith(PICTURE)
        assert "script" not in page.opened


def picture_in(page: Page) -> set[str]:
    """Return the words of the picture of the cluster."""
    (address,) = page.loads
    drawn = ET.fromstring(b64decode(address.removeprefix(PICTURE)))
    return {one.text or "" for one in drawn.iter("{http://www.w3.org/2000/svg}text")}


def test_the_picture_is_of_the_runs_own_cluster():
    one = build(3)
    words = picture_in(Page(render(one)))
    for guest in one.guests:
        assert {
            guest.name,
            f"VNI {guest.vni}",
            guest.data_address,
            guest.management_address,
        } <= words
    assert {server.name for server in one.servers} <= words


@pytest.mark.parametrize(
    "fields",
    [{"settings": {}, "servers": [], "guests": []}, {"settings": {"cluster": "lab", "colour": 1}}],
    ids=["no-cluster", "settings-of-another-release"],
)
def test_a_run_of_which_no_cluster_is_known_has_a_page_without_a_picture(fields):
    assert Page(render(run(**fields))).loads == []


def test_versions_of_servers_and_offloads_of_interfaces_are_in_the_page():
    words = " ".join(Page(render(build(3))).words)
    assert "kernel 6.1.0-9-amd64 6.1.0-9-amd64 nft" in words
    assert "QEMU 7.2.9" in words
    assert "server1 tunnel fsv[41-43] 1450 tx tso gso gro" in words
    assert "server1 tap fsd[41-43] 1450 none" in words
    assert "server2 port fsv[41-43] 1450 tx tso gso gro" in words


def test_a_page_says_what_failed_and_what_to_do():
    words = " ".join(Page(render(verify())).words)
    assert "server2, mtu.hops measured: eth1 1400 expected: 1500 or more" in words
    assert "Fix: ip link set eth1 mtu 1500" in words
    assert "It is not proved that any byte crossed the switch." in words


def test_what_servers_and_guests_say_is_text_in_a_page():
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    failure = {"host": evil, "stage": evil, "error": evil, "hint": evil, "obstacles": []}
    checks = [check("a.b", evil, ok=False, measured=evil, expected=evil, hint=evil)]
    named = {"name": evil, "versions": {evil: evil}}
    hostile = run(
        timeline=[work("bridge", evil, 0, 1)],
        report=report("build", ok=False, failed=2, failures=[failure], checks=checks, notes=[evil],
                      warnings=[evil], conclusion=evil),
        servers=[one.model_copy(update=named) for one in servers()],
    )  # fmt: skip
    page = Page(render(hostile))
    assert "script" not in page.opened
    assert page.opened.count("img") == 1, "our own picture"
    assert evil in picture_in(page)
    assert "<script>alert(1)</script><img" in page.words


def test_matrices_have_every_direction_and_shade_the_least_and_the_most():
    latency, bandwidth = matrices(verify(3).report["mpi"])
    assert latency.nodes == ("node1", "node2", "node3")
    assert len(latency.figures) == len(bandwidth.figures) == 6
    assert {min(latency.shades.values()), max(latency.shades.values())} == {0.0, 1.0}
    assert matrices([]) == []


def test_of_many_nodes_the_slowest_pairs_are_listed_instead():
    pairs = verify(SHOWN + 1).report["mpi"]
    assert matrices(pairs) == []
    rates = [pair["bandwidth_mbit"] for pair in slowest(pairs)]
    assert rates == sorted(rates)
    assert rates[0] == min(pair["bandwidth_mbit"] for pair in pairs)
    assert slowest(verify(3).report["mpi"]) == []


def test_two_runs_that_are_alike_differ_in_nothing():
    assert differences(build(), build()) == []
    assert differences(verify(), verify()) == []


def test_verdicts_come_first_then_what_was_used_then_times_by_size():
    stages = [("preflight", 1.2), ("vm_boot", 30.0), ("nfs", 4.0)]
    more = [
        {"name": name, "hosts": 1, "changed": 0, "failed": 0, "seconds": seconds}
        for name, seconds in stages
    ]
    changed = [RunServer(**one.model_dump() | {"mtu": 9000}) for one in servers()]
    changed[0].versions["QEMU"] = "8.0.0"
    changed[0].interfaces[1].offloads.remove("tso")
    after = run(
        servers=changed,
        packages={"nornir": "3.6.0", "libvirt-python": "12.8.0"},
        report=report("build", ok=False, seconds=40.0, stages=more),
    )
    before = build()
    found = [(one.kind, one.what, one.before, one.after) for one in differences(before, after)]
    assert found == [
        ("verdict", "run", "done", "failed"),
        ("package", "nornir", "3.5.0", "3.6.0"),
        ("server1", "mtu", "1500", "9000"),
        ("server1", "QEMU", "7.2.9", "8.0.0"),
        ("server1", "tunnel, offloads", "tx tso gso gro", "tx gso gro or tx tso gso gro"),
        ("server2", "mtu", "1500", "9000"),
        ("time", "nfs", "0.0 s", "4.0 s"),
        ("time", "in all", "14.0 s", "40.0 s"),
        ("time", "vm_boot", "11.2 s", "30.0 s"),
    ]


def test_a_check_that_failed_on_one_host_and_slower_pairs_are_named():
    before = run(
        report=report("verify", checks=[check("nfs.share", "node1")], mpi=_pairs(200, 900))
    )
    worse = [check("nfs.share", "node1"), check("nfs.share", "node1", ok=False)]
    after = run(report=report("verify", checks=worse, mpi=_pairs(201, 300)))
    found = [(one.kind, one.what, one.before, one.after) for one in differences(before, after)]
    assert found == [
        ("check", "node1 nfs.share", "ok", "failed"),
        ("rate", "median bandwidth", "900 Mbit/s", "300 Mbit/s"),
    ]


def _pairs(latency: float, bandwidth: float) -> list[dict[str, object]]:
    return [{"from": "a", "to": "b", "latency_us": latency, "bandwidth_mbit": bandwidth}]


COUNTED = {
    "seconds": 2.5, "guests": ["node1", "node2"], "missed": {"bytes": 0, "packets": 0},
    "steady": True, "ranks": {}, "ports": [],
    "pairs": [
        {"from": "node1", "to": "node2", "port": "node1", "bytes": 14_204_648, "packets": 9},
        {"from": "node2", "to": "broadcast", "port": "node2", "bytes": 28, "packets": 1},
        {"from": "02:<&:99", "to": "node1", "port": "node2", "bytes": 7, "packets": 1},
    ],
}  # fmt: skip


def test_the_matrix_of_a_run_is_a_table_of_shades():
    page = render(run(report=report("matrix", matrix=COUNTED)))
    assert "Counted at the ports of the far switch" in page
    assert '<td style="--shade: 1.00">14,204,648</td>' in page
    assert "02:&lt;&amp;:99 from node2" in page


def test_a_matrix_of_many_guests_is_left_out_of_the_page_and_that_is_said():
    names = [f"node{number}" for number in range(1, 66)]
    page = render(run(report=report("matrix", matrix=COUNTED | {"guests": names})))
    assert "3 pairs of 65 guests are too many for a page" in page
    assert 'class="heat"' not in page


def test_the_picture_of_a_matrix_has_each_pair_once():
    text = render_svg(traffic(COUNTED), "lab")
    root = ET.fromstring(text)
    titles = [one.text for one in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[0] == "Traffic of cluster lab, bytes: a row a sender, a column a receiver"
    assert titles[1:] == [
        "node1 to node2: 14,204,648 bytes",
        "node2 to broadcast: 28 bytes",
        "02:<&:99 from node2 to node1: 7 bytes",
    ]
    cells = [one for one in root.iter("{http://www.w3.org/2000/svg}rect") if one.get("class")]
    assert [one.get("fill-opacity") for one in cells] == ["1.000", "0.000", "0.000"]
