"""One run: the site, Nornir, what its steps returned so far, and the report at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from nornir import InitNornir
from nornir.core import Nornir
from nornir.core.inventory import Host

from farswitch import pace
from farswitch.connections.access import libvirt_versions, shell
from farswitch.connections.access import register as register_connections
from farswitch.connections.open_once import open_early
from farswitch.deadline import stood_still
from farswitch.errors import ConfigError, FarswitchError
from farswitch.home import expand_home
from farswitch.model.cluster import Cluster, Site
from farswitch.model.machines import Guest
from farswitch.model.node_names import fold, shown
from farswitch.model.switch import Switch
from farswitch.run.cli import Options
from farswitch.run.configuration import configuration
from farswitch.run.live import view_on
from farswitch.run.logs import start_log
from farswitch.run.print_report import console_for, show
from farswitch.run.print_results import print_results
from farswitch.run.progress import View
from farswitch.run.recorder import Recorder
from farswitch.run.report import Report
from farswitch.run.run_document import run_of
from farswitch.run.runs import new_name, runs_folder, save
from farswitch.run.stages import Filter, Stage, guests, run_stages, servers
from farswitch.site.nornir_data import cluster_of, site_of
from farswitch.site.plugin import fill_in_keys, resize, use_switch
from farswitch.site.plugin import register as register_inventory
from farswitch.site.state_folder import state_folder
from farswitch.state.record import Record, adapter_of, check_places, read


class Session:
    """Everything that the stages of one run share; use it as a context manager."""

    def __init__(
        self,
        workflow: str,
        options: Options,
        *,
        inventory: dict[str, Any] | None = None,
        quiet: bool = False,
        view: View | None = None,
    ) -> None:
        """Read and check the site, or Nornir's `inventory` instead; nothing is touched yet.

        A `quiet` one shows nothing of what goes on, another one by its own `view`, if it has one.

        Raises:
            ConfigError: The site or the options cannot be meant.
        """
        self.workflow = workflow
        self.options = options
        self._began = datetime.now(UTC)
        self._started = time.monotonic()
        self._stood_still = stood_still()
        pace.forget()
        shown = View() if quiet else view_on(console_for(as_json=options.json))
        self._view = view or shown
        self.record: Record | None = None
        """The cluster's; None before it is read. In a dry run it is as a build would write it."""
        self.recorder = Recorder(self._view)
        self._end_early_logins: Callable[[], None] | None = None
        self.log = expand_home(options.log) if options.log else state_folder() / f"{workflow}.log"
        start_log(self.log, verbose=options.verbose > 0)
        register_connections()
        register_inventory()
        self._servers_only = inventory is not None
        self.nornir = self._nornir(inventory)

    def _nornir(self, inventory: dict[str, Any] | None) -> Nornir:
        chosen = configuration(self.options.site, self.options.nodes, self.options.workers)
        chosen["inventory"] = inventory or chosen["inventory"]
        nornir = InitNornir(dry_run=self.options.dry_run, **chosen)
        return nornir.with_processors([self.recorder])

    @property
    def seconds(self) -> float:
        """How long the run has taken."""
        return time.monotonic() - self._started

    @property
    def site(self) -> Site:
        return site_of(self.nornir.inventory)

    @property
    def cluster(self) -> Cluster:
        return cluster_of(self.nornir.inventory)

    @property
    def head_host(self) -> Host:
        """The Nornir host of the hypervisor that keeps the cluster's record."""
        return self.nornir.inventory.hosts[self.site.hypervisors[0].name]

    @property
    def built_record(self) -> Record:
        """The record of a cluster that was built, with each of its guests.

        Raises:
            FarswitchError: There is none, or it lacks a guest.
        """
        cluster, hint = self.cluster, "Build it: farswitch build"
        if self.record is None:
            raise FarswitchError(f"There is no cluster '{cluster.name}' on its servers.", hint=hint)
        names = ", ".join(
            guest.name for guest in cluster.guests if guest.name not in self.record.hosts
        )
        if names:
            raise FarswitchError(f"Cluster '{cluster.name}' has no guest {names} yet.", hint=hint)
        return self.record

    def take_record(self, record: Record | None) -> None:
        """Take over a record that was read or written: its keys serve the logins to guests."""
        if record is not None:
            self.record = record
            host_keys = {name: pair.public for name, pair in record.hosts.items()}
            fill_in_keys(self.nornir.inventory, record.controller.private, host_keys)

    def result(self, step: str, host: str) -> Any:
        """Return what a step that ended well returned for a host: its `Result.result`.

        Raises:
            FarswitchError: It did not run there, or failed.
        """
        try:
            return self.recorder.results[step, host]
        except KeyError as error:
            raise FarswitchError(f"Step '{step}' returned nothing for '{host}'.") from error

    def hosts(self, on: Filter) -> list[Host]:
        """Return the hosts that a filter chooses."""
        return list(self.nornir.filter(filter_func=on).inventory.hosts.values())

    def is_head(self, host: Host) -> bool:
        """Whether the host keeps the cluster's record."""
        return host.name == self.head_host.name

    def good_guests(self) -> tuple[Guest, ...]:
        """Return the guests that did not fail in this run."""
        failed = self.nornir.data.failed_hosts
        return tuple(guest for guest in self.cluster.guests if guest.name not in failed)

    def guest(self, name: str) -> Guest:
        """Return the cluster's guest of that name.

        Raises:
            ConfigError: There is none.
        """
        guests = {guest.name: guest for guest in self.cluster.guests}
        if name not in guests:
            raise ConfigError(
                f"Cluster '{self.cluster.name}' has no guest {shown(name)}; it has {fold(guests)}."
            )
        return guests[name]

    def hypervisor_of(self, host: Host) -> Host:
        """Return the Nornir host of the server that runs a guest."""
        return self.nornir.inventory.hosts[self.cluster.guest(host.name).hypervisor]

    def is_first_of(self, chosen: Sequence[Guest]) -> Filter:
        """Return the filter for the first of some guests: the one that starts their jobs."""
        names = {guest.name for guest in chosen[:1]}
        return lambda host: guests(host) and host.name in names

    def read_record(self, *, follow_site: bool = False) -> None:
        """Read the cluster's record, where there is one, and take over the size that it remembers.

        So with the switch that is in use. With `follow_site` the site's switch counts, and its size
        if the site was given another one meanwhile.

        Raises:
            FarswitchError: The switch in use is none that is known here.
            ConfigError: The site gives a guest that was built another VNI or address.
        """
        record = read(shell(self.head_host), self.site.settings.cluster)
        if record is None:
            return
        edited = follow_site and record.site != len(self.site.guests)
        if self.options.nodes is None and not edited and record.nodes != len(self.cluster.guests):
            resize(self.nornir.inventory, record.nodes)
        if record.switch and not follow_site:
            self.use_switch(adapter_of(record.switch))
        self.take_record(record)
        check_places(record, self.cluster)

    def use_switch(self, adapter: Switch) -> None:
        """Have another switch than the site's in the cluster from now on."""
        use_switch(self.nornir.inventory, adapter)

    def begin_anew(self) -> None:
        """Forget what was recorded and who failed: the hosts are looked at once more."""
        self.recorder = Recorder(self._view)
        self.nornir = self.nornir.with_processors([self.recorder])
        self.nornir.data.reset_failed_hosts()

    def log_in_early(self) -> None:
        """Begin to log in to the guests of a cluster that was built, while its servers are seen to.

        A guest needs as long for it as they for all that is theirs.
        """
        known = self.record.hosts if self.record else {}
        built = [host for host in self.hosts(guests) if host.name in known]
        at_once = self.nornir.config.runner.options.get("num_workers", 1)
        self._end_early_logins = open_early(built, "shell", at_once=at_once)

    def foresee(self, steps: Sequence[str]) -> None:
        """Show which steps there will be, in their order."""
        self._view.foresee(steps)

    def run(self, stages: Iterable[Stage], *, on_failed: bool = False) -> bool:
        """Run the stages and return whether every vital one ended well."""
        return run_stages(self.nornir, stages, on_failed=on_failed)

    def finish(
        self,
        conclusion: str = "",
        *,
        cluster: str | None = None,
        ready: Mapping[str, str] | None = None,
    ) -> int:
        """Print the report, with a last sentence of its own, and return the exit code.

        It is about the site's cluster, or the one that is named. A preflight names the servers that
        are `ready`, with what was found there.
        """
        self.end_view()
        report = replace(self.report(cluster), conclusion=conclusion, ready=ready)
        self._keep(report)
        if self.options.verbose > 1:
            print_results(self.recorder.returned, on_stderr=self.options.json)
        show(report, as_json=self.options.json, verbose=self.options.verbose)
        return report.exit_code

    def end_view(self) -> None:
        """Leave the screen to what is printed from now on."""
        self.recorder.close()
        self._view.stop()

    def _keep(self, report: Report) -> None:
        """Keep the run on the controller; one that cannot be kept is no failure of its own."""
        run = run_of(
            self.recorder,
            report.document(),
            None if self._servers_only else self.cluster,
            name=new_name(self._began, self.workflow, report.cluster),
            site=self.options.site or "",
            started=self._began,
            began=self._started,
            mtu=self.record.mtu or None if self.record else None,
            versions={host.name: libvirt_versions(host) for host in self.hosts(servers)},
        )
        try:
            save(run)
        except OSError as error:
            report.notes.append(f"This run is not kept: {error.strerror} in {runs_folder()}.")

    def report(self, cluster: str | None = None) -> Report:
        """Return what was recorded so far, of the site's cluster or the one that is named."""
        places = {name: place for place, name in enumerate(self.nornir.inventory.hosts)}
        steps = {name: place for place, name in enumerate(self.recorder.rows)}
        return Report(
            workflow=self.workflow,
            cluster=self.cluster.name if cluster is None else cluster,
            seconds=self.seconds,
            rows=tuple(self.recorder.rows.values()),
            failures=sorted(
                self.recorder.failures,
                key=lambda one: (steps.get(one.stage, 0), places.get(one.host, 0)),
            ),
            checks=tuple(self.recorder.checks),
            diffs=tuple(sorted(self.recorder.diffs, key=lambda diff: places.get(diff[1], 0))),
            notes=[*self.recorder.notes, *self._slowness()],
            warnings=tuple(self.recorder.warnings),
            extras=self.recorder.extras,
            dry_run=self.options.dry_run,
            detailed=self.options.detailed_exitcode,
            log=self.log,
        )

    def _slowness(self) -> Iterator[str]:
        """Yield what was noticed of slow machines, this one included."""
        if note := pace.note():
            yield note
        if (still := stood_still() - self._stood_still) >= 1:
            yield f"This program itself was stopped for {still:.0f} s, which no deadline counts."

    def __enter__(self) -> Self:
        """Show what goes on from now on."""
        self._view.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every connection; after Ctrl-C the end of the process does, which comes at once.

        Worker threads use them still then, and libvirt's library does not bear that.
        """
        self._view.stop()
        if self._end_early_logins is not None:
            self._end_early_logins()
        if kind is None or issubclass(kind, Exception):
            self.nornir.close_connections(on_good=True, on_failed=True)

    def note(self, line: str) -> None:
        """Add a line to what is printed below the table."""
        self.recorder.notes.append(line)

    def progress(self, line: str) -> None:
        """Show what goes on now."""
        self._view.message(line)
