"""The switch alone: frames sent into, and counted at, the hypervisor's ends of ports of our own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Event

from nornir.core.inventory import Host
from nornir.core.task import Result, Task

from farswitch.connections.access import shell
from farswitch.switch_bench.frame_generator import frame_generator
from farswitch.switch_bench.trials import TARGET, SwitchTrials, port_flap


def switch_bench(
    task: Task,
    ports: Sequence[tuple[str, str]],
    program: bytes,
    path: str,
    switch_host: Host,
    *,
    sizes: Sequence[int],
    tests: Sequence[str],
    trial_seconds: float = 2.0,
    bare: bool = False,
    underlay: Mapping[int, float] | None = None,
    stop: Event | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Result:
    """Measure the switch that holds the far ends of some ports of a hypervisor.

    Args:
        task: The Nornir task of the hypervisor.
        ports: Interface there and address of each port, three at least.
        program: The generator, as `farswitch.switch_bench.compile` makes it.
        path: Where it is written for a moment.
        switch_host: The switch server's, whose interface of the same name goes down and up.
        sizes: Of the frames, in bytes with the CRC.
        tests: Which of `farswitch.switch_bench.trials.TESTS`.
        trial_seconds: Of each trial.
        bare: There is no switch: what the generator sends at most is measured, too.
        underlay: Throughput by size without a switch, by which what limits is known.
        stop: Set when no further trial is to begin.
        progress: Is told what is measured now.

    Returns:
        A result whose `result` is a `SwitchFigures`.

    Raises:
        FarswitchError: The generator could not be started there, or ended.
    """
    login, device = shell(task), ports[TARGET - 1][0]
    seconds = 600 + 600 * len(sizes) * max(1.0, trial_seconds)
    with frame_generator(login, path, program, ports, seconds=seconds, stop=stop) as generator:
        trials = SwitchTrials(generator, trial_seconds, sizes, dict(underlay or {}), progress)
        figures = trials.run(tests, lambda: port_flap(shell(switch_host), device))
        if bare:
            figures.ceiling = trials.ceiling()
    return Result(host=task.host, result=figures)
