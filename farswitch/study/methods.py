"""How a study was made, in words that a paper can take over, and which rules it keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from farswitch.study.document import LEAST_BLOCKS
from farswitch.study.kernels import SECONDS
from farswitch.study.plan import LOCAL
from farswitch.study.results import RunRecord
from farswitch.study.statistics import LEVEL, RESAMPLES
from farswitch.study.summary import Summary


@dataclass(frozen=True, slots=True)
class BenchmarkRule:
    """One of the twelve rules of Hoefler and Belli (SC 2015), and whether it is kept."""

    number: int
    text: str
    kept: bool
    how: str


def methods(summary: Summary, records: Sequence[RunRecord]) -> str:
    """Return the paragraph."""
    return " ".join(_sentences(summary, records))


def _sentences(summary: Summary, records: Sequence[RunRecord]) -> Iterator[str]:
    study = summary.study
    yield (
        f"We compared {len(study.cells)} configurations ({_names(summary)}) in {study.repeats} "
        "blocks. Each block has every configuration once, in an order drawn anew "
        f"(seed {study.seed}); one further run at the first use of each configuration was "
        "discarded."
    )
    if study.snapshot:
        yield (
            "Each block began with the memory and the disks of all guests as one snapshot has them."
        )
    if any(one.builtin for one in study.programs.values()):
        yield (
            f"The built-in kernels were repeated for {SECONDS:g} s each in one launch of MPI; a "
            "repetition begins with a barrier and counts as long as its slowest rank, and a run's "
            "value is the median of its repetitions."
        )
    own = [f"'{one.run}'" for one in study.programs.values() if not one.builtin]
    if own:
        yield f"The other programs ({', '.join(own)}) reported their own figure, one a run."
    yield (
        f"We report the ratio of medians against '{study.label(study.base)}' with a {LEVEL} "
        f"percentile interval from {RESAMPLES:,} bootstrap resamples of whole blocks, from "
        f"{LEAST_BLOCKS} blocks on, without assuming a distribution; we claim a difference only "
        "where the interval excludes 1."
    )
    entered = [one for one in records if one.entering]
    local = sum(one.factors.get("path") == LOCAL for one in entered)
    if far := len(entered) - local:
        yield (
            f"After each of {far} changes of configuration, byte counters at both ports of the "
            "switch proved that the guests' traffic crossed it."
        )
    if local:
        yield (
            f"After each of {local} changes to a local path, all nodes heard each other and no "
            "byte crossed the switch."
        )
    if sizes := sorted({cell.mtu for cell in study.cells if cell.mtu}):
        yield (
            "Configurations with an MTU had it on the guests' interfaces "
            f"({', '.join(map(str, sizes))} B), at each change of which packets of exactly that "
            "size passed between each two guests without fragments, and larger ones did not."
        )
    yield f"The control program '{study.control}' never touches the network: {summary.why}"
    yield from _machines(records)


def _names(summary: Summary) -> str:
    study = summary.study
    return ", ".join(study.label(cell) for cell in study.cells)


def _machines(records: Sequence[RunRecord]) -> Iterator[str]:
    """Yield what the runs ran on, by the last one's environment."""
    environment = records[-1].environment if records else {}
    servers = environment.get("servers", {})
    kinds = sorted({one["accelerator"] for one in servers.values() if one.get("accelerator")})
    if not servers:
        return
    kernels = sorted({one["versions"].get("kernel", "") for one in servers.values()} - {""})
    guest = environment.get("guest") or [""]
    pins = ", ".join(f"{name}: {value}" for name, value in environment.get("pin", {}).items())
    pinned = f"pinned to the hypervisor's ({pins})" if pins else "not pinned"
    yield (
        f"Guests had {environment.get('vcpus')} processors, {pinned}, "
        f"{environment.get('memory')} MiB, Linux {guest[0]} and a network with an MTU of "
        f"{environment.get('mtu')} B; servers ran Linux "
        f"{', '.join(kernels)}; virtual machines by {', '.join(kinds)}; farswitch "
        f"{environment.get('farswitch')}."
    )


def rules(summary: Summary) -> list[BenchmarkRule]:
    """Return the twelve rules, each kept or named as not."""
    study, enough = summary.study, summary.study.repeats >= LEAST_BLOCKS
    rates = any(row.better == "more" for row in summary.rows)
    base = study.label(study.base)
    found = [
        (True, "Base case and absolute values of speedups", f"base '{base}', medians with units"),
        (summary.complete and not summary.failed, "No hidden subset", _subset(summary)),
        (True, "Mean only for costs, harmonic for rates", "medians" + _of_rates(rates=rates)),
        (True, "No averages of ratios", "the ratio is one of medians"),
        (enough, "Intervals where results vary", _intervals(summary)),
        (True, "No normality by assumption", "bootstrap, no distribution assumed"),
        (enough, "Differences compared statistically", "claimed where the interval excludes 1"),
        (
            True,
            "Another statistic than the median where it matters",
            "95th and 99th percentiles where repetitions are enough; all values shown",
        ),
        (True, "All factors and the set-up", "environment below, and in results.jsonl"),
        (
            any(one.builtin for one in study.programs.values()),
            "How the time of a parallel job was taken",
            "slowest rank after a barrier; of a user's program what it reports",
        ),
        (
            False,
            "Bounds of what is possible",
            "no bound was measured: compare with the bare underlay by hand",
        ),
        (True, "The data are shown", "every value, as strip plots and in results.csv"),
    ]
    return [
        BenchmarkRule(at, text, kept, how) for at, (kept, text, how) in enumerate(found, start=1)
    ]


def _of_rates(*, rates: bool) -> str:
    return ", of rates too" if rates else ""


def _subset(summary: Summary) -> str:
    missing = summary.study.runs - summary.done
    return f"{missing} runs are missing" if missing else "all runs that were planned are there"


def _intervals(summary: Summary) -> str:
    if not summary.intervals:
        return f"fewer than {LEAST_BLOCKS} blocks: no interval is given"
    return f"{summary.intervals} intervals of {LEVEL}"
