"""Self-contained HTML pages of one run or of two: no script, and nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from farswitch.report.bench_bars import throughput_bars
from farswitch.report.compare import Difference
from farswitch.report.heat import COUNTED_SHOWN, matrices, slowest, traffic
from farswitch.report.interfaces import alike_interfaces
from farswitch.report.topology import topology
from farswitch.report.waterfall import waterfall
from farswitch.run.print_switch_bench import bench_grids
from farswitch.run.run_document import Run
from farswitch.templates import render_template


@dataclass(frozen=True, slots=True)
class Family:
    """The checks of one family: how many passed, failed and were skipped."""

    name: str
    checks: tuple[Mapping[str, Any], ...]

    def count(self, verdict: bool | None) -> int:  # noqa: FBT001 - None is a verdict, too
        """Return how many checks have a verdict."""
        return sum(check["ok"] is verdict for check in self.checks)


def render(run: Run) -> str:
    """Return the page."""
    pairs = run.report.get("mpi", [])
    counted = [traffic(one) for one in (run.report.get("matrix"),) if one and _fits(one)]
    picture = waterfall(run)
    return render_template(
        "report/page.html.j2",
        run=run,
        report=run.report,
        waterfall=picture,
        boots=[bar.work for _, bars in picture.rows for bar in bars if bar.parts],
        topology=topology(run),
        alike=list(alike_interfaces(run.servers)),
        looked=any(server.device for server in run.servers),
        families=list(families(run.report["checks"])),
        matrices=[*counted, *matrices(pairs)],
        slowest=slowest(pairs),
        bars=throughput_bars(run.report.get("bench", {})),
        grids=list(bench_grids(run.report["bench"])) if "bench" in run.report else [],
    )


def _fits(counted: Mapping[str, Any]) -> bool:
    return len(counted["guests"]) <= COUNTED_SHOWN


def render_comparison(before: Run, after: Run, found: Sequence[Difference]) -> str:
    """Return the page of what differs between two runs."""
    return render_template("report/comparison.html.j2", before=before, after=after, found=found)


def families(checks: Sequence[Mapping[str, Any]]) -> Iterator[Family]:
    """Yield the families in the order of their first check."""
    named: dict[str, list[Mapping[str, Any]]] = {}
    for check in checks:
        named.setdefault(str(check["name"]).partition(".")[0], []).append(check)
    for name, own in named.items():
        yield Family(name, tuple(own))
