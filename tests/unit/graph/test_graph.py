"""What a picture of a cluster shows: all of it, in ranges where it is large, and what is wrong."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Collection
from dataclasses import astuple, replace
from pathlib import Path
from typing import get_args

import pytest

from farswitch.connections.libvirt.domains import State
from farswitch.graph.picture import Format, Picture, picture
from farswitch.graph.rows import MOST_ROWS, RANGES, good
from farswitch.graph.text import draw
from farswitch.model.cluster import Cluster, cluster
from farswitch.model.settings import Settings
from farswitch.site.loader import ROOT, load_site
from farswitch.status.observed import ServerLook
from tests.unit.status.test_status import link, underlay

FORMATS: tuple[Format, ...] = get_args(Format)
SITE = load_site(str(ROOT / "inventory/lab"))
SVG = "{http://www.w3.org/2000/svg}"


def looks(wanted: Cluster, gone: Collection[str] = ()) -> dict[str, ServerLook]:
    """Return looks at servers where all stands but some interfaces and guests, by name."""
    found = {}
    for one in wanted.hypervisors:
        own = [link(wanted.management_bridge)]
        for guest in wanted.guests_of(one.name):
            own += [link(guest.data_tap, guest.bridge), link(guest.tunnel, guest.bridge)]
            own += [link(guest.bridge)]
        states: dict[str, State] = {
            guest.domain: "running"
            for guest in wanted.guests_of(one.name)
            if guest.name not in gone
        }
        there = tuple(one for one in own if one.name not in gone)
        found[one.name] = ServerLook(underlay(one), there, 1.0, states)
    ports = tuple(link(guest.tunnel, wanted.switch_bridge) for guest in wanted.guests)
    far = (*ports, link(wanted.switch_bridge))
    found[wanted.switch.name] = ServerLook(underlay(wanted.switch), far, 1.0)
    return found


def words(text: str) -> list[str]:
    """Return what a picture has to read, whatever its format."""
    if text.startswith("<svg"):
        return [one.text or "" for one in ET.fromstring(text).iter(f"{SVG}text")]
    return re.split(r"<br/>|\\n", text.replace('"', "<br/>"))


def of_site(nodes: int) -> Picture:
    return picture(cluster(SITE, nodes), None)


def test_the_picture_of_the_readme_is_the_one_that_is_made():
    committed = (ROOT / "docs/picture.svg").read_text(encoding="utf-8")
    assert committed == draw(of_site(3), "svg"), "make picture"


@pytest.mark.parametrize("form", FORMATS)
def test_everything_of_each_guest_is_in_it(form: Format):
    told = "\n".join(words(draw(of_site(3), form)))
    for guest in cluster(SITE, 3).guests:
        for name in (
            guest.name, guest.data_tap, guest.bridge, guest.tunnel, f"VNI {guest.vni}",
            str(guest.data_address.ip), str(guest.management_address.ip),
        ):  # fmt: skip
            assert name in told
    for name in ("server1", "server2", "fss41", "fsg41", "203.0.113.11", "203.0.113.12"):
        assert name in told


@pytest.mark.parametrize(("nodes", "count"), [(1, 1), (12, 12), (13, 7), (64, 8), (900, 8)])
def test_many_guests_are_in_ranges_and_none_is_missing(nodes: int, count: int):
    assert (MOST_ROWS, RANGES) == (12, 8)
    settings = Settings(cluster="lab", data_network="10.4.0.0/16", management_network="10.5.0.0/16")
    wanted = cluster(replace(SITE, settings=settings), nodes)
    rows = picture(wanted, None).switch.rows
    assert [guest for row in rows for guest in row.guests] == list(wanted.guests)
    assert len(rows) == count


def test_a_range_has_the_first_and_the_last_of_everything():
    row = of_site(64).switch.rows[1]
    assert (row.name, row.vni, row.bridge) == ("node[9-16]", "49-56", "fsb49-56")
    assert (row.data, row.management) == ("10.0.0.19-26", "10.10.0.19-26")


def all_good(found: Picture) -> bool:
    """Return whether nothing in it is known to be wrong."""
    own = [server.state for server in (*found.hypervisors, found.switch)]
    states = [state for row in found.switch.rows for state in astuple(row.state)]
    return all(good(state) is not False for state in (*own, *states))


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_wrong_stands_out_also_among_many(form: Format):
    wanted = cluster(SITE, 64)
    found = picture(wanted, looks(wanted, {"node17", "fsb60", "fsd70"}))
    alone = [row.name for row in found.switch.rows if len(row.guests) == 1]
    assert alone == ["node17", "node20", "node30"]
    told = "\n".join(words(draw(found, form)))
    assert "node17: missing" in told
    assert told.count("missing") == 3 + (form == "svg")  # and the legend
    assert not all_good(found)


@pytest.mark.parametrize("form", FORMATS)
def test_all_that_is_up_has_one_colour_and_no_word(form: Format):
    wanted = cluster(SITE, 3)
    found = picture(wanted, looks(wanted))
    text = draw(found, form)
    assert all_good(found)
    drawn = text.partition("</style>")[2] or text.partition("classDef")[0]
    drawn = drawn.partition("There is no shorter way")[0]
    assert not re.search(r"missing|unknown|\bbad\b|cf222e", drawn)
    assert re.search(r'class="[a-z ]*\bup"|:::up|1a7f37', drawn)


@pytest.mark.parametrize("form", FORMATS)
def test_what_a_server_that_does_not_answer_would_say_is_unknown(form: Format):
    wanted = cluster(SITE, 3)
    found = looks(wanted)
    del found["server1"]
    text = draw(picture(wanted, found), form)
    assert re.search(r'class="[a-z ]*\bunknown"|:::unknown|8c959f', text)
    assert all_good(picture(wanted, found)), "what nobody knows is no fault"


def boxes(text: str) -> list[tuple[float, float, float, float]]:
    """Return left, top, right and bottom of the boxes within servers."""
    places = []
    for one in ET.fromstring(text).iter(f"{SVG}rect"):
        if one.get("class", "").startswith("box"):
            x, y, width, height = (float(one.get(key, "")) for key in ("x", "y", "width", "height"))
            places.append((x, y, x + width, y + height))
    return places


@pytest.mark.parametrize("nodes", [1, 3, 12, 64])
def test_no_box_covers_another_and_all_are_on_the_page(nodes: int):
    text = draw(of_site(nodes), "svg")
    _, _, width, height = map(float, ET.fromstring(text).get("viewBox", "").split())
    found = boxes(text)
    for at, (left, top, right, bottom) in enumerate(found):
        assert 0 < left < right < width
        assert 0 < top < bottom < height
        for x, y, end, below in found[:at]:
            assert right <= x or end <= left or bottom <= y or below <= top


@pytest.mark.parametrize("nodes", [3, 64])
def test_the_svg_has_no_script_and_takes_nothing_from_elsewhere(nodes: int):
    text = draw(of_site(nodes), "svg")
    assert not re.search(r"<script|href|url\(|@import|on[a-z]+=", text)
    assert "prefers-color-scheme: dark" in text


def test_a_name_of_the_site_cannot_end_the_markup():
    wanted = cluster(SITE, 3)
    spoilt = replace(wanted, switch=replace(wanted.switch, name="a<b>&c"))
    assert "a<b>&c" in words(draw(picture(spoilt, None), "svg"))


def test_several_hypervisors_have_their_own_rows():
    wanted = cluster(SITE, 3)
    second = replace(wanted.hypervisors[0], name="server3")
    guests = (*wanted.guests[:2], replace(wanted.guests[2], hypervisor="server3"))
    found = picture(replace(wanted, hypervisors=(*wanted.hypervisors, second), guests=guests), None)
    assert [[row.name for row in one.rows] for one in found.hypervisors] == [
        ["node1", "node2"], ["node3"],
    ]  # fmt: skip
    assert [row.name for row in found.switch.rows] == ["node1", "node2", "node3"]
    assert len(boxes(draw(found, "svg"))) == 3 * 4 + 2 + 1


@pytest.mark.skipif(shutil.which("dot") is None, reason="no Graphviz is installed")
@pytest.mark.parametrize("nodes", [1, 3, 64])
def test_graphviz_draws_all_that_is_in_the_picture_without_a_complaint(nodes: int):
    wanted = cluster(SITE, nodes)
    found = picture(wanted, looks(wanted, {"node1"}))
    done = subprocess.run(
        ["dot", "-Tsvg"], input=draw(found, "dot"), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = "\n".join(one.text or "" for one in ET.fromstring(done.stdout).iter(f"{SVG}text"))
    for row in found.switch.rows:
        for name in (row.name, row.data, row.bridge, row.tunnel, f"VNI {row.vni}"):
            assert name in told
    assert "node1: missing" in told


def test_the_makefile_makes_it_of_the_site_alone():
    text = Path(ROOT / "Makefile").read_text(encoding="utf-8")
    assert "graph --site inventory/lab --no-state --output docs/picture.svg" in text
