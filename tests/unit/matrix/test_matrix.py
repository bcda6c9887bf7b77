"""What was counted of addresses at ports, as a matrix of guests: rows, columns, sums, sentences."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from farswitch.matrix.by_guest import BROADCAST, MULTICAST, TrafficMatrix, matrix_of
from farswitch.matrix.ranks import ranks_of
from farswitch.matrix.reading import AddressPair, MatrixReading, PortCount, TrafficCount, parse
from farswitch.matrix.table import MatrixTable, plan, wanted_matrix
from farswitch.model.owner import Owner
from farswitch.model.switch import SwitchPort
from farswitch.run import print_matrix

OWNER = Owner("lab", 41)
MACS = [f"02:fa:00:00:00:0{number}" for number in (1, 2, 3)]
PORTS = tuple(
    SwitchPort(n, f"node{n}", f"fsv{40 + n}", f"fsv{40 + n}", MACS[n - 1], 40 + n, 1450)
    for n in (1, 2, 3)
)
ALL, GROUP, OTHER_GROUP = "ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01", "01:00:5e:00:00:01"
NOBODY = "02:00:00:00:00:99"
SPECIAL = """\
12.50 steady
 fsv41: 5000 50 0 3 0 0 0 0 99 9 0 0 0 0 0 0
fsv42:1 2 0 0 0 0 0 0 0 0 0 0 0 0 0 0"""
LISTED = [
    {"table": {"family": "netdev", "name": "farswitch_lab", "handle": 1}},
    {"counter": {"name": "uncounted", "packets": 4, "bytes": 40}},
    {"set": {"name": "pairs", "elem": [
        {"elem": {"val": {"concat": ["fsv41", MACS[0], MACS[1]]},
                  "counter": {"packets": 2, "bytes": 200}}},
    ]}},
]  # fmt: skip


def reading(at: float, pairs: dict[tuple[int, str, str], tuple[int, int]], **more) -> MatrixReading:
    """Return a reading whose ports have received what was counted, unless `more` says other."""
    counts = {
        AddressPair(f"fsv{40 + number}", sender, receiver): TrafficCount(*count)
        for (number, sender, receiver), count in pairs.items()
    }
    ports = {
        port.tunnel: PortCount(
            sum((one for pair, one in counts.items() if pair.port == port.tunnel), TrafficCount())
        )
        for port in PORTS
    }
    fields = {"ports": ports, "uncounted": TrafficCount(), "steady": True} | more
    return MatrixReading(at, counts, **fields)


def between(pairs: dict[tuple[int, str, str], tuple[int, int]], **more) -> TrafficMatrix:
    return matrix_of(PORTS, reading(15.0, pairs, **more) - reading(10.0, {}))


def test_what_a_server_printed_is_read():
    found = parse(SPECIAL, LISTED)
    assert (found.at, found.steady, found.uncounted) == (12.5, True, TrafficCount(4, 40))
    assert found.pairs == {AddressPair("fsv41", MACS[0], MACS[1]): TrafficCount(2, 200)}
    assert found.ports["fsv41"] == PortCount(TrafficCount(50, 5000), 3)
    assert found.ports["fsv42"] == PortCount(TrafficCount(2, 1), 0)


def test_an_empty_table_has_no_pairs():
    assert parse("1.00 moving\n", [{"set": {"name": "pairs"}}]).pairs == {}


def test_the_difference_of_two_readings_is_a_slice_of_time():
    one, two = (1, MACS[0], MACS[1]), (2, MACS[1], MACS[0])
    grown = reading(12.0, {one: (5, 500), two: (1, 10)}) - reading(10.0, {one: (2, 100)})
    assert grown.at == 2.0
    assert list(grown.pairs.values()) == [TrafficCount(3, 400), TrafficCount(1, 10)]
    still = reading(13.0, {one: (5, 500)}) - reading(12.0, {one: (5, 500)})
    assert still.pairs == {}


def test_rows_and_columns_are_guests_then_groups_then_what_is_nobodys():
    found = between({
        (1, MACS[0], NOBODY): (1, 1),
        (1, MACS[0], OTHER_GROUP): (1, 10),
        (1, MACS[0], GROUP): (2, 20),
        (3, NOBODY, MACS[0]): (1, 5),
        (2, MACS[0], MACS[2]): (1, 7),
        (1, MACS[0], MACS[1]): (9, 900),
        (2, MACS[1], ALL): (1, 28),
    })  # fmt: skip
    assert found.columns == ("node1", "node2", "node3", BROADCAST, MULTICAST, NOBODY)
    assert found.rows == ("node1", "node2", "node3", "node1 from node2", f"{NOBODY} from node3")
    assert found.cells["node1", MULTICAST] == TrafficCount(3, 30)
    assert found.cells["node1 from node2", "node3"] == TrafficCount(1, 7)
    assert found.counted("node1") == TrafficCount(13, 931)
    assert list(found.notes()) == []


def ports(number: int, packets: int, size: int, dropped: int = 0) -> dict[str, PortCount]:
    return {f"fsv{40 + number}": PortCount(TrafficCount(packets, size), dropped)}


PAIR = {(1, MACS[0], MACS[1]): (10, 1000)}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"ports": ports(1, 10, 1000)}, []),
        ({"ports": ports(1, 14, 1208)}, ["received 208 bytes more than its row has: of 14 frames"]),
        ({"ports": ports(1, 14, 1208), "steady": False}, []),
        ({"ports": ports(1, 14, 1208, 4)}, ["received 208 bytes more", "dropped 4 frames before"]),
        ({"ports": ports(1, 1, -5)}, ["node1 was made anew meanwhile"]),
        ({"ports": ports(1, 14, 50_000)}, ["node1 was made anew meanwhile"]),
        ({"ports": ports(1, 4, 400)}, ["node1 was made anew meanwhile"]),
        ({"uncounted": TrafficCount(3, 300)}, ["3 frames of 300 bytes are in no cell"]),
    ],
)
def test_what_it_is_not_the_ports_counters_for_is_said(more, words):
    notes = list(between(PAIR, **more).notes())
    assert len(notes) == len(words)
    assert all(word in note for word, note in zip(words, notes, strict=True))


def test_there_is_room_for_all_pairs_of_many_ports():
    assert wanted_matrix(PORTS).room == 65_535
    assert wanted_matrix(PORTS * 100).room == 180_000


def test_many_ports_hang_on_several_chains():
    names = tuple(f"fsv{number}" for number in range(600))
    change = plan([], MatrixTable(names), OWNER, server="server2")
    assert change is not None
    chains = [line for line in change.text.splitlines() if line.startswith("add chain")]
    assert [line.count("fsv") for line in chains] == [256, 256, 88]
    assert str(change) == "+ table netdev farswitch_lab"


GUESTS = {"node1": "10.0.0.11", "node2": "10.0.0.12", "node3": "10.0.0.13"}


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("mpiexec.mpich -np 3 ./job", {"node1": [0], "node2": [1], "node3": [2]}),
        ("mpiexec -n 4 ./job -n 9", {"node1": [0, 3], "node2": [1], "node3": [2]}),
        ("/usr/bin/mpirun -l -np 2 hostname", {"node1": [0], "node2": [1]}),
        ("mpiexec -np 3 -hosts 10.0.0.13,node1 ./job", {"node3": [0, 2], "node1": [1]}),
        ("mpiexec -genv A B -np 1 ./job | tee x", {"node1": [0]}),
        ("mpiexec -np 3 -ppn 2 ./job", {}),
        ("mpiexec -f hosts -np 3 ./job", {}),
        ("mpiexec -np 2 -hosts elsewhere ./job", {}),
        ("mpiexec -np 1 ./a : -np 1 ./b", {}),
        ("mpiexec ./job", {}),
        ("./job 'unbalanced", {}),
        ("", {}),
    ],
)
def test_ranks_are_dealt_out_as_mpich_does_or_not_guessed(line, wanted):
    assert ranks_of(line, GUESTS) == wanted


def printed(found: TrafficMatrix, width: int, **options) -> list[str]:
    console = print_console(width)
    console.print(print_matrix.table(found, width, **options))
    return [" ".join(one.split()) for one in console.file.getvalue().splitlines() if one.strip()]


def print_console(width: int) -> Console:
    return Console(file=io.StringIO(), width=width)


def test_a_table_has_exact_bytes_and_sums():
    found = between({(1, MACS[0], MACS[1]): (9, 14_204_648), (1, MACS[0], MACS[2]): (1, 486_232)})
    head, _, one, *others = printed(found, 100)
    assert head == "From node1 node2 node3 in all"
    assert one == "node1 14,204,648 486,232 14,690,880"
    assert others == ["node2 0", "node3 0"]


def test_rates_are_bits_a_second():
    found = between({(1, MACS[0], MACS[1]): (9, 5_000_000)})
    assert printed(found, 100, rates=True)[2] == "node1 8.0 Mbit/s 8.0 Mbit/s"


def test_a_matrix_that_is_too_wide_is_a_list_of_its_largest():
    found = between({(1, MACS[0], MACS[1]): (9, 10), (3, MACS[2], MACS[1]): (1, 2000)})
    assert printed(found, 30)[2:] == ["node3 node2 2,000", "node1 node2 10"]
    assert printed(between({}), 30) == ["Nothing came by any port."]
    many = {(1, MACS[0], f"02:00:00:00:00:{number:02x}"): (1, number) for number in range(1, 30)}
    assert printed(between(many), 70)[0] == "The largest of 29 pairs; --csv and --json have all."


def test_csv_has_a_line_a_pair():
    found = between({(1, MACS[0], ALL): (9, 10), (3, NOBODY, MACS[1]): (1, 2000)})
    assert print_matrix.csv(found).splitlines() == [
        "from,to,port,bytes,packets",
        "node1,broadcast,node1,10,9",
        f"{NOBODY},node2,node3,2000,1",
    ]
