"""A study, runs of it, and a testbed that stands at its border."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from farswitch.errors import FarswitchError
from farswitch.study.document import KERNELS, StudyProgram
from farswitch.study.execute import Entered, Listener, Measured
from farswitch.study.plan import Cell, Study
from farswitch.study.results import PathProof, RunRecord, Value

PROOF = PathProof(ok=True, checks=4, conclusion="all crossed")
BRIDGE, MINE = Cell("bridge"), Cell("mine")


def study(repeats: int = 6, **more: Any) -> Study:
    programs = {"kernels": KERNELS}
    return Study("s", (BRIDGE, MINE), programs, "kernels.compute", repeats, 1, **more)


def record(block: int, cell: Cell, values: dict[str, float], **more: Any) -> RunRecord:
    return RunRecord(
        block=block,
        cell=cell.key,
        program="kernels",
        command="mpiexec",
        factors={"switch": cell.switch},
        began=1e9 + block,
        seconds=2.0,
        proof=PROOF,
        values={name: Value(value=value, unit="µs") for name, value in values.items()},
        **more,
    )


class FakeTestbed:
    """Notes what was asked of it; `refuses` cells, and `unproved` ones have no proof."""

    environment: Mapping[str, Any] = {"farswitch": "0"}

    def __init__(self, *, refuses: Cell | None = None, unproved: Cell | None = None) -> None:
        self._refuses, self._unproved = refuses, unproved
        self.measured: list[Cell] = []
        self.begun: list[int] = []
        self.stuck = 0

    def begin_block(self) -> None:
        """Note how many runs there were before; it fails as often as it is `stuck`."""
        if self.stuck:
            self.stuck -= 1
            raise FarswitchError("The snapshot is gone.")
        self.begun.append(len(self.measured))

    def enter(self, cell: Cell) -> Entered:
        if cell == self._refuses:
            raise FarswitchError("It does not come up.")
        proof = PROOF if cell != self._unproved else PathProof(ok=False, failed=["path.counters"])
        return Entered({"switch": cell.switch}, proof, {}, {})

    def measure(self, cell: Cell, name: str, program: StudyProgram) -> Measured:
        self.measured.append(cell)
        values = {f"{name}.compute": Value(value=1.0 + len(self.measured) / 1000, unit="µs")}
        return Measured("mpiexec", 1e9, 0.5, 0, values)


def listener(
    stop: Callable[[], bool] = lambda: False, left_out: list[str] | None = None
) -> Listener:
    def note(_visit: object, why: str) -> None:
        if left_out is not None:
            left_out.append(why)

    return Listener(lambda _one: None, lambda _one: None, note, stop)
