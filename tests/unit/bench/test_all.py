"""All benchmarks in one run: each is written down when it ends, and none holds up the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import __main__ as everything
from bench import results
from bench.benchmark import Benchmark
from bench.growth import TOTAL, Proof
from bench.measure import Measure
from farswitch.errors import FarswitchError


def counted(folder: Path, rounds: int, guests: int, _report) -> tuple[Measure, ...]:
    assert list(folder.iterdir()) == []
    return (Measure(f"{guests} guests", (1.0,) * rounds),)


def broken(*_arguments: object) -> tuple[Measure, ...]:
    raise FarswitchError("No such lab.")


@pytest.fixture
def chosen(monkeypatch, tmp_path) -> tuple[str, ...]:
    benchmarks = {
        "first": Benchmark(broken),
        "second": Benchmark(counted, rounds=2, full=5, guests=(2, 4)),
    }
    monkeypatch.setattr(everything, "BENCHMARKS", benchmarks)
    monkeypatch.setattr(results.write, "__defaults__", (tmp_path / "results",))
    return tuple(benchmarks)


@pytest.mark.parametrize(("full", "rounds"), [(False, 2), (True, 5)])
def test_a_benchmark_that_fails_does_not_hold_up_the_next(chosen, tmp_path, full, rounds):
    lines: list[str] = []
    run = results.read(everything.run_all(chosen, tmp_path, lines.append, full=full))
    assert run.failures == {"first": "No such lab."}
    assert [(one.name, len(one.ours)) for one in run.measures] == [
        ("2 guests", rounds), ("4 guests", rounds)
    ]  # fmt: skip
    assert len(list((tmp_path / "results").iterdir())) == 1
    assert [line for line in lines if line.startswith("==")] == ["== first", "== second"]


def test_what_was_measured_is_written_before_the_next_begins(chosen, tmp_path, monkeypatch):
    def killed(*_arguments: object) -> tuple[Measure, ...]:
        raise KeyboardInterrupt

    benchmarks = {"good": Benchmark(counted), "killed": Benchmark(killed)}
    monkeypatch.setattr(everything, "BENCHMARKS", benchmarks)
    with pytest.raises(KeyboardInterrupt):
        everything.run_all(tuple(benchmarks), tmp_path, print, full=False)
    (file,) = (tmp_path / "results").iterdir()
    assert [one.name for one in results.read(file).measures] == ["3 guests"]


def test_a_proof_is_compared_with_a_smaller_ones_times_the_growth_of_nodes(monkeypatch, tmp_path):
    proofs = [Proof(3, {"ssh": 3.0, TOTAL: 6.0}), Proof(8, {"ssh": 16.0, TOTAL: 24.0})]
    monkeypatch.setattr(everything.verify, "measure_growth", lambda *_arguments: proofs)
    (one,) = everything.BENCHMARKS["verify"].run(1, (8,), tmp_path, print)
    assert (one.value, one.reached) == (1.5, False)
    assert one.found == "ssh 2.00 (16 s), verify 1.50 (24 s)."
