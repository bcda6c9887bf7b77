"""One run: the site, Nornir, what its steps returned so far, and the report at its end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nornir import InitNornir
from nornir.core import Nornir
from nornir.core.inventory import Host

from farswitch.connections.access import register as register_connections
from farswitch.connections.access import shell
from farswitch.errors import FarswitchError
from farswitch.model.cluster import Cluster, Site
from farswitch.model.machines import Guest
from farswitch.run.cli import Options
from farswitch.run.configuration import configuration
from farswitch.run.logs import start_log
from farswitch.run.print_report import console_for, show
from farswitch.run.print_results import print_results
from farswitch.run.progress import view_on
from farswitch.run.recorder import Recorder
from farswitch.run.report import Report
from farswitch.run.stages import Filter, Stage, guests, run_stages
from farswitch.site.nornir_data import cluster_of, site_of
from farswitch.site.plugin import fill_in_keys, resize
from farswitch.site.plugin import register as register_inventory
from farswitch.site.state_folder import state_folder
from farswitch.state.record import Record, check_places, read


class Session:
    """Everything that the stages of one run share; use it as a context manager."""

    def __init__(
        self, workflow: str, options: Options, *, inventory: dict[str, Any] | None = None
    ) -> None:
        """Read and check the site, or Nornir's `inventory` instead; nothing is touched yet.

        Raises:
            ConfigError: The site or the options cannot be meant.
        """
        self.workflow = workflow
        self.options = options
        self._started = time.monotonic()
        self._view = view_on(console_for(as_json=options.json))
        self.record: Record | None = None
        """The cluster's; None before it is read, and in the dry run of a first build."""
        self.recorder = Recorder(self._view)
        self.log = Path(options.log) if options.log else state_folder() / f"{workflow}.log"
        start_log(self.log, verbose=options.verbose > 0)
        register_connections()
        register_inventory()
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

    def needs_no_boot(self, host: Host) -> bool:
        """Whether the host is a guest that vm_boot has nothing to do for."""
        row = self.recorder.rows.get("vm_boot")
        return guests(host) and row is not None and host.name not in row.touched | row.failed

    def good_guests(self) -> tuple[Guest, ...]:
        """Return the guests that did not fail in this run."""
        failed = self.nornir.data.failed_hosts
        return tuple(guest for guest in self.cluster.guests if guest.name not in failed)

    def is_first_of(self, chosen: Sequence[Guest]) -> Filter:
        """Return the filter for the first of some guests: the one that starts their jobs."""
        names = {guest.name for guest in chosen[:1]}
        return lambda host: guests(host) and host.name in names

    def read_record(self, *, follow_site: bool = False) -> None:
        """Read the cluster's record, where there is one, and take over the size that it remembers.

        With `follow_site` the site's size is kept if the site was given another one meanwhile.

        Raises:
            ConfigError: The site gives a guest that was built another VNI or address.
        """
        record = read(shell(self.head_host), self.site.settings.cluster)
        if record is None:
            return
        edited = follow_site and record.site != len(self.site.guests)
        if self.options.nodes is None and not edited and record.nodes != len(self.cluster.guests):
            resize(self.nornir.inventory, record.nodes)
        self.take_record(record)
        check_places(record, self.cluster)

    def run(self, stages: Iterable[Stage], *, on_failed: bool = False) -> bool:
        """Run the stages and return whether every vital one ended well."""
        return run_stages(self.nornir, stages, on_failed=on_failed)

    def finish(self, conclusion: str = "", *, cluster: str | None = None) -> int:
        """Print the report, with a last sentence of its own, and return the exit code.

        It is about the site's cluster, or the one that is named.
        """
        self.recorder.close()
        self._view.stop()
        report = Report(
            workflow=self.workflow,
            cluster=self.cluster.name if cluster is None else cluster,
            seconds=self.seconds,
            rows=tuple(self.recorder.rows.values()),
            failures=tuple(self.recorder.failures),
            checks=tuple(self.recorder.checks),
            diffs=tuple(self.recorder.diffs),
            notes=self.recorder.notes,
            warnings=tuple(self.recorder.warnings),
            extras=self.recorder.extras,
            dry_run=self.options.dry_run,
            log=self.log,
            conclusion=conclusion,
        )
        if self.options.verbose > 1:
            print_results(self.recorder.returned, on_stderr=self.options.json)
        show(report, as_json=self.options.json, verbose=self.options.verbose)
        return report.exit_code

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
        if kind is None or issubclass(kind, Exception):
            self.nornir.close_connections(on_good=True, on_failed=True)

    def note(self, line: str) -> None:
        """Add a line to what is printed below the table."""
        self.recorder.notes.append(line)

    def progress(self, line: str) -> None:
        """Show what goes on now."""
        self._view.message(line)
