"""What ours costs on the data path: guests are namespaces, each behind its own bridge and tunnel.

`python -m bench.dataplane` compares round trips and throughput through the product's own network,
guard and emptied firewall with the same bridges and tunnels made by hand, without any rule, in a
second lab; without the guard; without any table; and with the bare underlay.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from pathlib import Path

from bench.benchmark import Benchmark, Measures, Report
from bench.measure import Measure, in_turns
from bench.plane import MTU, Plane, make_by_hand, set_calls
from bench.site import LAB, Bench, open_lab, write_site
from farswitch.lab import container
from farswitch.lab.addresses import Lab
from farswitch.lab.run import run
from farswitch.run.cli import Options
from farswitch.run.session import Session

BY_HAND = Lab("fsbench2", IPv4Network("198.18.251.0/24"), IPv4Network("198.19.251.0/24"))
GOAL = 1.05
"""Times the round trip, and the inverse of the throughput, of the same network without rules."""
SOURCE = Path(__file__).with_name("traffic.c")
STREAMS, STREAM_MS, ROUND_TRIPS, BURSTS = 4, 300, 1500, 3
"""TCP streams side by side, for so many milliseconds; round trips of a burst, and bursts."""
_CT = " ct state "
"""Of a rule with which the kernel tracks connections of the whole namespace."""
ECHO_PORT, SINK_PORT = "9999", "9998"
FIRST = ("nice", "--adjustment=-20")
ONE_CORE = ("taskset", "--cpu-list", "0", "chrt", "--fifo", "50")
"""Both ends of a round trip on one core, before all other work: no waking of another core."""
PLACES = {"ours": "ours", "no tracking": "ours", "no guard": "ours", "no tables": "ours",
          "calls": "ours", "by hand": "by hand", "underlay": "underlay"}  # fmt: skip
"""What is compared, and between which ends it is measured."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A round trip in µs, and the throughput in Gbit/s."""

    round_trip: float
    throughput: float


@dataclass(frozen=True, slots=True)
class Ends:
    """Two network namespaces, as what runs a program in each, and the second one's address."""

    near: tuple[str, ...]
    far: tuple[str, ...]
    address: str


class TrafficSource:
    """The program that makes traffic, with its far ends running."""

    def __init__(self, folder: Path, places: Mapping[str, Ends], stack: ExitStack) -> None:
        self.program = str(folder / "traffic")
        self.places = places
        run(["gcc", "-O2", "-o", self.program, str(SOURCE)])
        for ends in places.values():
            self._serve(ends, stack, ECHO_PORT, *ONE_CORE)
            self._serve(ends, stack, SINK_PORT, *FIRST)

    def _serve(self, ends: Ends, stack: ExitStack, port: str, *before: str) -> None:
        argv = [*ends.far, *before, self.program, "serve", ends.address, port]
        server = stack.enter_context(subprocess.Popen(argv, stdout=subprocess.PIPE))
        stack.callback(server.kill)
        assert server.stdout
        server.stdout.readline()  # it is ready

    def sample(self, place: str) -> Sample:
        """Measure between two ends; of a few bursts of round trips the quickest counts."""
        ends = self.places[place]
        ping = [*ends.near, *ONE_CORE, self.program, "ping", ends.address, ECHO_PORT]
        stream = [*ends.near, *FIRST, self.program, "stream", ends.address, SINK_PORT]
        trips = [float(run([*ping, str(ROUND_TRIPS)])) for _ in range(BURSTS)]
        bits = float(run([*stream, str(STREAMS), str(STREAM_MS)]))
        return Sample(min(trips) / 1e3, bits / 1e9)


class Rules:
    """The nft tables of a lab's servers, which can be taken away in part."""

    def __init__(self, lab: Lab, guard: str) -> None:
        self.servers = container.find(lab)
        self.guard = guard
        self.whole = {
            pid: container.execute(pid, ["nft", "list", "ruleset"]) for pid in self.servers.values()
        }

    def load(self, kind: str) -> None:
        """Put in place what one of `PLACES` has."""
        for pid, text in self.whole.items():
            less = {
                "no tracking": "\n".join(line for line in text.split("\n") if _CT not in line),
                "no guard": self._without_guard(text),
                "no tables": "",
            }
            kept = less.get(kind, text)
            container.execute(pid, ["nft", "-f", "-"], stdin=f"flush ruleset\n{kept}")
            set_calls(pid, on=kind == "calls")

    def _without_guard(self, text: str) -> str:
        own = [f"table {family} {self.guard}" for family in ("inet", "bridge")]
        return text + "".join(f"delete {table}\n" for table in own if f"{table} {{" in text)


@contextmanager
def guests(lab: Lab, bench: Bench) -> Iterator[Ends]:
    """Make a namespace for each guest, and its data NIC where libvirt would make the tap."""
    server = container.find(lab)[lab.members[0].name]
    names = []
    with ExitStack() as stack:
        for guest in bench.cluster.guests:
            names.append(name := f"{lab.name}-{guest.name}")
            run(["ip", "netns", "add", name])
            stack.callback(run, ["ip", "netns", "delete", name])
            near = ("data0", "netns", name, "address", guest.data_mac, "mtu", str(MTU))
            far = (guest.data_tap, "netns", str(server), "mtu", str(MTU))
            run(["ip", "link", "add", *near, "type", "veth", "peer", "name", *far])
            port = ["ip", "link", "set", guest.data_tap, "master", guest.bridge, "up"]
            container.execute(server, port)
            run(["ip", "-n", name, "address", "add", str(guest.data_address), "dev", "data0"])
            run(["ip", "-n", name, "link", "set", "data0", "up"])
        one, other = (("ip", "netns", "exec", name) for name in names[:2])
        yield Ends(one, other, str(bench.cluster.guests[1].data_address.ip))


def underlay(bench: Bench) -> Ends:
    """Return the two servers themselves."""
    found = container.find(LAB)
    near, far = (
        ("nsenter", "--target", str(found[server.name]), "--net")
        for server in bench.cluster.servers
    )
    return Ends(near, far, str(bench.cluster.switch.underlay))


def measure(folder: Path, rounds: int, count: int, report: Report) -> Measures:
    """Send between two namespaces as guests, through ours and through the same without rules."""
    for name in ("ours", "hand"):
        (folder / name).mkdir()
    ours = write_site(folder / "ours", count)
    hand = write_site(folder / "hand", count, lab=BY_HAND)
    options = Options(site=str(ours.folder), log=str(folder / "log"))
    with ExitStack() as stack:
        stack.enter_context(open_lab())
        stack.enter_context(open_lab(BY_HAND))
        make_by_hand(BY_HAND, hand.cluster)
        plane = Plane(stack.enter_context(Session("build", options)), whole=True)
        plane.ours()
        places = {
            "ours": stack.enter_context(guests(LAB, ours)),
            "by hand": stack.enter_context(guests(BY_HAND, hand)),
            "underlay": underlay(ours),
        }
        plane.ours()  # what it has to set of the guests' ports
        traffic = TrafficSource(folder, places, stack)
        rules = Rules(LAB, ours.cluster.owner.guard_table)

        def side(kind: str) -> Callable[[], Sample]:
            def sample() -> Sample:
                if PLACES[kind] == "ours":
                    rules.load(kind)
                return traffic.sample(PLACES[kind])

            return sample

        took = in_turns(rounds, {kind: side(kind) for kind in PLACES}, report, rotate=True)
    return measures(took)


def measures(took: Mapping[str, Sequence[Sample]]) -> Measures:
    """Return what follows from the samples; pure."""
    trips = {kind: tuple(one.round_trip for one in some) for kind, some in took.items()}
    flows = {kind: tuple(one.throughput for one in some) for kind, some in took.items()}
    return (
        *_compared(Measure("round trip", (), "µs"), trips),
        *_compared(Measure(f"{STREAMS} TCP streams", (), "Gbit/s", more_is_better=True), flows),
    )


def _compared(what: Measure, figures: Mapping[str, tuple[float, ...]]) -> Iterator[Measure]:
    def pair(name: str, ours: str, peer: str, against: str) -> Measure:
        return replace(
            what, name=what.name + name, ours=figures[ours], peer=figures[peer], against=against
        )

    shares = (
        pair(": the guard's share", "ours", "no guard", "ours without the guard"),
        pair(": other tables' share", "no guard", "no tables", "ours without any nft table"),
        pair(": what is left", "no tables", "by hand", "the same by hand, no rules"),
    )
    tracked = pair(": connection tracking for the guard", "ours", "no tracking",
                   "ours without its rule on states")  # fmt: skip
    parts = (f"{share.name.partition(': ')[2]} {share.value:.3f}" for share in (*shares, tracked))
    whole = pair("", "ours", "by hand", "the same by hand, no rules")
    yield replace(whole, goal=GOAL, by_interval=True, found=f"{', '.join(parts)}.")
    yield from (*shares, tracked)
    yield pair(" with bridge-nf-call on", "calls", "ours", "ours, where it is off")
    yield pair(" by hand", "by hand", "underlay", "the bare underlay")


BENCHMARK = Benchmark(measure, rounds=30, full=100, guests=(2,))

if __name__ == "__main__":
    BENCHMARK.main()
