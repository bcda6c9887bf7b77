"""Blocks in random order from the seed, a discarded first use, and nothing twice."""

from __future__ import annotations

import itertools

import pytest

from farswitch.study.document import KERNELS
from farswitch.study.plan import DISCARDED, Cell, CellVisit, RunKey, Study, visits

CELLS = tuple(Cell(switch=name) for name in ("bridge", "ovs", "mine"))


def study(repeats: int = 4, seed: int = 7) -> Study:
    programs = {"kernels": KERNELS, "cg": KERNELS}
    return Study("s", CELLS, programs, "kernels.compute", repeats, seed)


def keys(found: list[CellVisit]) -> list[RunKey]:
    return [RunKey(one.block, one.cell.key, name) for one in found for name in one.programs]


def test_each_block_has_every_cell_and_program_once() -> None:
    found = visits(study())
    assert sorted({one.block for one in found}) == [DISCARDED, 1, 2, 3, 4]
    for block in range(5):
        cells = [one.cell for one in found if one.block == block]
        assert sorted(cells, key=str) == sorted(CELLS, key=str)
    assert all(sorted(one.programs) == ["cg", "kernels"] for one in found)
    assert len(keys(found)) == study().runs + study().discarded == 30


def test_the_seed_alone_decides_the_order() -> None:
    assert visits(study()) == visits(study())
    assert visits(study()) != visits(study(seed=8))


def test_more_repeats_go_on_in_the_same_order() -> None:
    assert visits(study(repeats=9))[: len(visits(study()))] == visits(study())


def test_blocks_have_different_orders() -> None:
    found = visits(study(repeats=20))
    orders = {
        tuple(one.cell for one in group) for _, group in itertools.groupby(found, lambda v: v.block)
    }
    assert len(orders) > 3


@pytest.mark.parametrize("cut", range(31))
def test_what_is_done_is_left_out_wherever_it_was_cut_off(cut: int) -> None:
    whole = keys(visits(study()))
    assert keys(visits(study(), set(whole[:cut]))) == whole[cut:]


def test_keys_of_cells_are_their_own() -> None:
    cells = [Cell(), Cell("bridge"), Cell("bridge", 2), Cell(nodes=2)]
    assert [cell.key for cell in cells] == ["", "switch=bridge", "switch=bridge nodes=2", "nodes=2"]
