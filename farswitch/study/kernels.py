"""The kernels that come with farswitch: one launch runs them all; what it prints."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from farswitch.errors import FarswitchError

CONTROL = "compute"
"""The kernel that never touches the network."""
KERNEL_NAMES = (
    "pingpong-8B", "pingpong-1MB", "allreduce-8B", "allreduce-1MB", "alltoall-8kB", "halo-8kB",
    CONTROL,
)  # fmt: skip
SECONDS = 1.0
"""For how long each kernel is repeated."""
LAUNCH_SECONDS = 300.0
"""Until all of them must have ended: 15 s under emulation, more on a busy machine."""
LEAST_BYTES = 20_000_000
"""What the first two ranks send each other, each way: 20 ping-pongs of 1 MB."""
UNIT = "µs"


class KernelTimes(BaseModel):
    """What the repetitions of a kernel took, in seconds: the slowest rank's time of each."""

    model_config = ConfigDict(frozen=True)

    repetitions: int
    p50: float
    p95: float
    p99: float


class KernelReport(BaseModel):
    """What `mpi_kernels.py` prints."""

    model_config = ConfigDict(frozen=True)

    nodes: list[str]
    library: str
    kernels: dict[str, KernelTimes]


def parse_kernels(text: str) -> KernelReport:
    """Read what the kernels printed; lines of MPI's own are passed over.

    Raises:
        FarswitchError: It is no report, or one of other kernels.
    """
    lines = [line for line in text.splitlines() if line.startswith("{")]
    try:
        report = KernelReport.model_validate_json(lines[-1] if lines else "")
    except ValidationError as error:
        raise FarswitchError(f"The kernels printed no result: {text[:200]!r}.") from error
    if set(report.kernels) != set(KERNEL_NAMES):
        names = ", ".join(sorted(report.kernels)) or "none"
        raise FarswitchError(f"The kernels that ran are {names}, wanted others.")
    return report
