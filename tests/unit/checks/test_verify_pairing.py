"""Which pairs meet in a proof by pairs: each node in the ring, nobody twice in a round."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from farswitch.errors import ConfigError
from farswitch.model.cluster import cluster
from farswitch.proof.check import Check, skipped
from farswitch.proof.context import Context
from farswitch.proof.pairing import ALL_PAIRS_NODES, Meetings, Pairing
from farswitch.proof.round_robin import rounds
from farswitch.site.loader import ROOT, load_site
from workflows.verify import Extent, command, note_pairs

COUNTS = st.integers(0, 70)
MANY = st.integers(ALL_PAIRS_NODES + 1, 70)
SEEDS = st.integers()


def all_of(meetings: Meetings) -> list[tuple[int, int]]:
    return [pair for pairs in meetings.rounds for pair in pairs]


@given(COUNTS, SEEDS, st.booleans())
def test_no_node_is_twice_in_a_round_and_no_pair_meets_twice(count, seed, every):
    meetings = Pairing(seed, every).of(count)
    for pairs in meetings.rounds:
        busy = [node for pair in pairs for node in pair]
        assert len(busy) == len(set(busy))
    met = all_of(meetings)
    assert len(met) == len(set(met)) == meetings.made
    assert set(met) <= set(combinations(range(count), 2))


@given(MANY, SEEDS)
def test_each_node_meets_both_neighbours_of_the_ring(count, seed):
    meetings = Pairing(seed).of(count)
    for node in range(count):
        assert {(node + 1) % count, (node - 1) % count} <= set(meetings.partners(node))


@given(MANY, SEEDS)
def test_each_node_but_at_most_one_meets_a_random_one_too(count, seed):
    meetings = Pairing(seed).of(count)
    assert [len(meetings.partners(node)) for node in range(count)].count(2) == count % 2
    assert meetings.made == count + count // 2
    assert len(meetings.rounds) == 3 + count % 2


@given(COUNTS, SEEDS, st.booleans())
def test_who_meets_is_met_and_both_directions_are_made(count, seed, every):
    meetings = Pairing(seed, every).of(count)
    pairs = {(node, one) for node in range(count) for one in meetings.partners(node)}
    assert pairs == {(second, first) for first, second in pairs}
    assert sorted(pairs) == list(meetings.ordered())
    assert len(pairs) == 2 * meetings.made


@given(MANY, SEEDS)
def test_the_same_seed_chooses_the_same_pairs(count, seed):
    meetings = Pairing(seed).of(count)
    assert meetings.seed == seed
    again = Pairing(meetings.seed).of(count)
    assert again == meetings


def test_other_seeds_choose_other_pairs_and_meet_all_in_the_end():
    met = {pair for seed in range(200) for pair in all_of(Pairing(seed).of(8))}
    assert met == set(combinations(range(8), 2))
    assert len({Pairing().seed for _ in range(10)}) > 1


@pytest.mark.parametrize("count", range(ALL_PAIRS_NODES + 1))
def test_few_nodes_meet_all(count):
    meetings = Pairing(1).of(count)
    assert sorted(all_of(meetings)) == list(combinations(range(count), 2))
    assert meetings.seed is None


@given(COUNTS)
def test_all_pairs_are_the_round_robin(count):
    meetings = Pairing(1, all_pairs=True).of(count)
    assert list(map(list, meetings.rounds)) == list(rounds(count))
    assert (meetings.made, meetings.seed) == (meetings.possible, None)


def test_how_many_of_all_is_said():
    assert str(Pairing(1).of(8)) == "12 of 28 pairs"


def test_guests_that_do_not_answer_are_no_gap_in_the_ring():
    site = cluster(load_site(str(ROOT / "inventory/lab")), 9)
    context = Context(site, cast("Any", None), 1450, {}, Path("ssh_config"), pairing=Pairing(1))
    context.evidence.lose("node4", "no route")
    there = context.there()
    met = {guest.name: [one.name for one in context.partners(guest)] for guest in there}
    assert {"node5", "node2"} <= set(met["node3"])
    assert "node4" not in met
    assert all("node4" not in names for names in met.values())


@pytest.mark.log_tells("give one")
def test_a_seed_beside_all_pairs_is_refused():
    assert Extent(seed=7).pairing() == Pairing(7)
    assert Extent(all_pairs=True).pairing().all_pairs
    with pytest.raises(ConfigError, match="give one"):
        Extent(seed=7, all_pairs=True).pairing()
    refused = CliRunner().invoke(command, ["--seed", "7", "--all-pairs"])
    assert refused.exit_code == 2


def noted(chosen, *checks, lost=()):
    """Return what is said of pairs after these checks of a cluster of eight."""
    site = cluster(load_site(str(ROOT / "inventory/lab")), 8)
    context = Context(site, cast("Any", None), 1450, {}, Path("ssh_config"), pairing=Pairing(1))
    for name in lost:
        context.evidence.lose(name, "no route")
    context.evidence.checks += checks
    notes: list[str] = []
    session = SimpleNamespace(recorder=SimpleNamespace(extras={}), note=notes.append)
    note_pairs(cast("Any", session), frozenset(chosen), context)
    return session.recorder.extras.get("pairs"), notes


def test_pairs_are_said_to_have_met_by_what_was_made_alone():
    ssh = Check("ssh.pair", "node1", ok=True, measured="", expected="")
    mpi = skipped("mpi.pairs", "node1", "a check before it failed")
    pairs, (note,) = noted({"ssh.pair", "mpi.pairs"}, ssh, mpi)
    assert pairs == {"made": 12, "all": 28, "seed": 1}
    assert note.startswith("By ssh 12 of 28 pairs of nodes met")
    assert noted({"ssh.pair", "mpi.pairs"}, mpi) == (None, [])
    assert noted({"server.guard"}, ssh) == (None, [])


def test_pairs_of_nodes_that_do_not_answer_did_not_meet():
    ssh = Check("ssh.pair", "node1", ok=True, measured="", expected="")
    pairs, _ = noted({"ssh.pair"}, ssh, lost=["node6", "node7", "node8"])
    assert pairs == {"made": 10, "all": 28, "seed": None}
