"""How the growth of a proof's time is worked out and read."""

from __future__ import annotations

from bench.growth import Proof, growth, render
from bench.pairs import Build


def run(total: float, **families: float) -> Build:
    stages = [{"name": name, "seconds": seconds} for name, seconds in families.items()]
    return Build(total, {"stages": stages})


FEW = Proof.of(3, [run(20.0, server=2.0, ssh=10.0), run(30.0, server=2.0, ssh=12.0)])
MANY = Proof.of(8, [run(40.0, server=2.0, ssh=32.0)])


def test_a_family_has_its_median_and_the_rest_is_nobodys():
    assert FEW.seconds == {"server": 2.0, "ssh": 11.0, "rest": 12.0, "verify": 25.0}


def test_growth_is_of_time_over_that_of_nodes():
    assert growth(Proof(3, {"verify": 10.0}), Proof(6, {"verify": 20.0})) == 1.0
    assert growth(FEW, MANY, "server") == 3 / 8
    assert growth(FEW, MANY) == 1.6 * 3 / 8


def test_the_table_has_a_row_a_family():
    head, *rows = render([FEW, MANY])
    assert head.split() == ["N", "=", "3", "N", "=", "8", "ratio", "of", "2.67"]
    assert [row.split() for row in rows] == [
        ["server", "2.0", "s", "2.0", "s", "1.00", "0.38"],
        ["ssh", "11.0", "s", "32.0", "s", "2.91", "1.09"],
        ["rest", "12.0", "s", "6.0", "s", "0.50", "0.19"],
        ["verify", "25.0", "s", "40.0", "s", "1.60", "0.60"],
    ]
    assert len({len(line) for line in (head, *rows)}) == 1


def test_a_family_that_took_no_time_before_has_no_ratio():
    assert growth(Proof(3, {"verify": 0.0}), Proof(8, {"verify": 1.0})) == float("inf")
