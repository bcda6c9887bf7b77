"""What a program's output means, which commands run it, and when the host is too busy."""

from __future__ import annotations

import json

import pytest

from farswitch.study.document import KERNELS, StudyProgram
from farswitch.study.host_state import HostState, port_traffic
from farswitch.study.kernels import KERNEL_NAMES
from farswitch.study.launch import command_of, not_crossed, outcome
from farswitch.study.noise import noise
from farswitch.study.results import HostLoad, PortTraffic

CG = StudyProgram.model_validate(
    {
        "run": "/shared/cg.B.4 'a b'",
        "ranks": 4,
        "metric": {"find": "Time in seconds = *([0-9.,]+)", "unit": "s"},
        "timeout": 90,
    }
)
TIMES = {"repetitions": 50, "p50": 0.001, "p95": 0.002, "p99": 0.003}


def report(**kernels: object) -> str:
    found = dict.fromkeys(KERNEL_NAMES, TIMES) | kernels
    return json.dumps({"nodes": ["node1"], "library": "MPICH", "kernels": found})


def test_kernels_have_percentiles_where_there_are_enough_repetitions() -> None:
    many = TIMES | {"repetitions": 200}
    values, error = outcome("k", KERNELS, 0, f"noise\n{report(compute=many)}\n", "")
    assert error == ""
    assert set(values) == {f"k.{name}" for name in KERNEL_NAMES}
    assert values["k.halo-8kB"].value == 1000.0
    assert values["k.halo-8kB"].more == {"p95": 2000.0}
    assert values["k.compute"].more == {"p95": 2000.0, "p99": 3000.0}


@pytest.mark.parametrize(
    ("program", "status", "text", "why"),
    [
        (CG, 0, "Time in seconds = 1,204.5", ""),
        (CG, 0, "Verification failed", "Nothing in its output matches its pattern."),
        (CG, 0, "Time in seconds = ..", "Nothing in its output matches its pattern."),
        (CG, 7, "", "'p' ended with status 7."),
        (CG, 124, "", "'p' did not end within 90 s."),
        (KERNELS, 0, "", "The kernels printed no result: '\\n'."),
        (KERNELS, 0, '{"nodes": [], "library": "", "kernels": {}}',
         "The kernels that ran are none, wanted others."),
    ],
)  # fmt: skip
def test_an_output_says_its_figure_or_why_not(
    program: StudyProgram, status: int, text: str, why: str
) -> None:
    values, error = outcome("p", program, status, text, "")
    assert error == why
    assert bool(values) == (why == "")
    if values:
        assert (values["p"].value, values["p"].unit) == (1204.5, "s")


def test_a_command_is_bounded_and_runs_on_the_nodes() -> None:
    assert command_of(CG, ["10.0.0.11", "10.0.0.12"]) == [
        "timeout", "-k", "5", "90", "mpiexec.mpich", "-np", "4", "-hosts", "10.0.0.11,10.0.0.12",
        "/shared/cg.B.4", "a b",
    ]  # fmt: skip
    kernels = command_of(KERNELS, ["10.0.0.11", "10.0.0.12"])
    assert kernels[5:9] == ["-np", "2", "-hosts", "10.0.0.11,10.0.0.12"]


def port(count: int) -> PortTraffic:
    return PortTraffic(received=count, sent=count, dropped=0)


def test_kernels_whose_bytes_went_elsewhere_are_no_result() -> None:
    crossed = {"node1": port(30_000_000), "node2": port(30_000_000), "node3": port(0)}
    assert not_crossed(KERNELS, crossed) == ""
    said = not_crossed(KERNELS, {"node1": port(30_000_000), "node2": port(17_000)})
    assert "the port of 'node2' counted 17,000 B in" in said
    assert not_crossed(CG, {"node1": port(0), "node2": port(0)}) == ""


def test_a_local_run_that_crossed_the_switch_is_no_result() -> None:
    assert not_crossed(KERNELS, {"node1": port(0), "node2": port(0)}, local=True) == ""
    said = not_crossed(CG, {"node1": port(70), "node2": port(0)}, local=True)
    assert said == "The path was to be local, and 140 B crossed the switch."


def test_ports_are_counted_from_before_to_after() -> None:
    before, after = (
        HostState(traffic={"fsv41": counts}, retransmitted=0) for counts in ((5, 6, 1), (15, 26, 4))
    )
    ports = {"node1": "fsv41", "node2": "fsv42"}
    assert port_traffic(before, after, ports) == {
        "node1": PortTraffic(received=10, sent=20, dropped=3)
    }


def load(idle: float = 0.99, steal: float = 0.0) -> HostLoad:
    return HostLoad(cores=2, idle=idle, steal=steal, load=0.1)


@pytest.mark.parametrize(
    ("loads", "vcpus", "said"),
    [
        ({"server1": load()}, {"server1": 2}, []),
        ({"server1": load(idle=0.5)}, {}, ["'server1' is 50% idle, wanted 80%."]),
        ({"s": load(steal=0.05)}, {}, ["'s' is deprived of 5.0%, wanted 1% at most."]),
        (
            {"s": load(), "t": load()},
            {"s": 3},
            ["'s' has 2 processors for 3 of its guests': they wait for each other."],
        ),
    ],
)
def test_the_gate_names_what_is_too_busy(loads, vcpus, said) -> None:
    assert list(noise(loads, vcpus)) == said
