"""Rules that hold between the keys of a site: each adds a sentence for what breaks it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address
from itertools import combinations

from farswitch.errors import ConfigError
from farswitch.model.cluster import most_guests, too_few_processors
from farswitch.model.machines import Address, Server
from farswitch.model.node_names import expand, shown
from farswitch.model.settings import OWN_IMAGE, LabNetworks, Settings
from farswitch.site.hosts_yaml import Entries
from farswitch.site.mistakes import Mistakes
from farswitch.site.yaml_lines import Document, Place

DATA: Place = ("data",)
NFS_PORT = 2049
"""TCP port of NFS (RFC 7530, section 3.1); sshd's is below all that MPI may have."""


@dataclass(frozen=True, slots=True)
class CrossChecks:
    """The parts of a site that are right one by one."""

    mistakes: Mistakes
    hosts: Document
    groups: Document
    defaults: Document
    entries: Entries
    settings: Settings

    def run(self) -> None:
        """Check everything."""
        self._roles()
        self._hypervisors()
        self._servers()
        self._networks()
        self._image()
        self._ports()
        self._size()
        self._impairments()
        self._pin()
        if self.settings.lab is not None:
            self._lab(self.settings.lab)

    def _roles(self) -> None:
        roles = [server.role for server in self.entries.servers]
        if "hypervisor" not in roles:
            self._hosts((), "there is no hypervisor, wanted a server with groups: [hypervisor].")
        if "switch" not in roles:
            self._hosts((), "there is no switch, wanted a server with groups: [switch].")
        switches = [server.name for server in self.entries.servers if server.role == "switch"]
        for name in switches[1:]:
            self._hosts((name,), f"'{name}' is a switch like '{switches[0]}', wanted one switch.")

    def _hypervisors(self) -> None:
        names = [server.name for server in self.entries.servers if server.role == "hypervisor"]
        wanted = f"wanted one of: {', '.join(names)}"
        common = self.groups.data.get("guest") or {}
        home = (common.get("data") or {}).get("hypervisor")
        if home is not None and home not in names:
            place = ("guest", "data", "hypervisor")
            sentence = f"'guest.hypervisor' is {shown(home)}, which is no hypervisor, {wanted}."
            self.mistakes.add(self.groups, place, sentence)
        for text in dict.fromkeys(self.entries.keys[guest] for guest in self.entries.guests):
            named = (self.hosts.data[text].get("data") or {}).get("hypervisor")
            if named is not None and named not in names:
                sentence = (
                    f"'{text}.hypervisor' is {shown(named)}, which is no hypervisor, {wanted}."
                )
                self._hosts((text, "data", "hypervisor"), sentence)

    def _servers(self) -> None:
        for server, other in combinations(self.entries.servers, 2):
            if server.underlay == other.underlay:
                sentence = (
                    f"'{other.name}' has the underlay address {server.underlay} of '{server.name}'"
                )
                self._hosts((other.name,), f"{sentence}, wanted one address a server.")
            elif server.underlay.version != other.underlay.version:
                sentence = f"the underlay of '{other.name}' is {other.underlay}"
                wanted = f"wanted IPv{server.underlay.version} as for '{server.name}'"
                self._hosts((other.name,), f"{sentence}, {wanted}.")
            if server.local and other.local:
                sentence = f"'{other.name}' is this machine like '{server.name}'"
                self._hosts((other.name, "data", "local"), f"{sentence}, wanted two servers.")
            elif _reached(server) == _reached(other):
                sentence = f"'{other.name}' has the hostname {server.hostname} of '{server.name}'"
                self._hosts((other.name,), f"{sentence}, wanted two servers.")

    def _networks(self) -> None:
        for (place, network), (other, second) in combinations(self._named_networks(), 2):
            if network.overlaps(second):
                names = f"'{other[-1]}' is {second}, which overlaps '{place[-1]}' {network}"
                self.mistakes.add(self.defaults, other, f"{names}, wanted networks apart.")
        guests = self._named_networks()[:2]
        for server in self.entries.servers:
            for inner, address in _addresses(server):
                for place, network in guests:
                    if address in network:
                        sentence = f"the {inner[-1]} of '{server.name}' is {address}"
                        wanted = f"in '{place[-1]}' {network}, wanted one outside of it"
                        self._hosts(inner, f"{sentence}, {wanted}.")

    def _named_networks(self) -> list[tuple[Place, IPv4Network]]:
        lab = self.settings.lab
        found = [
            ((*DATA, "data_network"), self.settings.data_network),
            ((*DATA, "management_network"), self.settings.management_network),
        ]
        if lab is not None:
            found += [
                ((*DATA, "lab", "controller_network"), lab.controller_network),
                ((*DATA, "lab", "underlay_network"), lab.underlay_network),
            ]
        return list(found)

    def _lab(self, lab: LabNetworks) -> None:
        wanted = {"hostname": lab.controller_network, "underlay": lab.underlay_network}
        for server in self.entries.servers:
            found = {place[-1]: (place, address) for place, address in _addresses(server)}
            for name, network in wanted.items():
                place, address = found.get(name, ((server.name, name), server.hostname))
                if address not in network or address in {network[0], network[1], network[-1]}:
                    sentence = f"the {name} of '{server.name}' is {address}"
                    wish = f"wanted an address of the lab's {network} after its first"
                    self._hosts(place, f"{sentence}, {wish}.")

    def _image(self) -> None:
        image = self.settings.image
        place = (*DATA, "image")
        if not image.own and image.sha256 is None:
            sentence = (
                "'image.sha256' is missing, wanted the digest of the image at 'image.source'."
            )
            self.mistakes.add(self.defaults, place, sentence)
        if image.own and image.sha256 is not None:
            sentence = f"'image.sha256' is given, wanted none for our own image ('{OWN_IMAGE}')."
            self.mistakes.add(self.defaults, (*place, "sha256"), sentence)
        if image.packages and not image.own:
            sentence = (
                f"'image.packages' is given, wanted none but for our own image ('{OWN_IMAGE}')."
            )
            self.mistakes.add(self.defaults, (*place, "packages"), sentence)

    def _ports(self) -> None:
        launcher, payload = self.settings.mpi.launcher_ports, self.settings.mpi.payload_ports
        for name, ports in (("launcher_ports", launcher), ("payload_ports", payload)):
            if ports.first <= NFS_PORT <= ports.last:
                sentence = f"'mpi.{name}' is {ports.first}-{ports.last}, which contains {NFS_PORT}"
                wanted = "the port of NFS on the head, wanted a range without it"
                self.mistakes.add(self.defaults, (*DATA, "mpi", name), f"{sentence}, {wanted}.")
        if launcher.first <= payload.last and payload.first <= launcher.last:
            sentence = f"'mpi.payload_ports' is {payload.first}-{payload.last}, which overlaps"
            wanted = f"'mpi.launcher_ports' {launcher.first}-{launcher.last}, wanted ranges apart"
            self.mistakes.add(self.defaults, (*DATA, "mpi"), f"{sentence} {wanted}.")

    def _size(self) -> None:
        count = len(self.entries.guests)
        most, why = most_guests(self.settings)
        if not count:
            self._hosts((), "there is no guest, wanted a name or set with groups: [guest].")
        elif count > most:
            last = (self.entries.keys[list(self.entries.guests)[-1]],)
            self._hosts(last, f"there are {count} guests, wanted {most} at most: {why}.")

    def _impairments(self) -> None:
        seen: dict[str, str] = {}
        for text, port in self.settings.impairments:
            place: Place = (*DATA, "impairments", text)
            if port.link:
                sentence = "a site's port is not 'down', which a build could not end with, wanted"
                sentence = f"{sentence} a direction; take it down by 'farswitch impair'."
                self.mistakes.add(self.defaults, (*place, "link"), sentence)
            try:
                names = expand(text)
            except ConfigError as error:
                self.mistakes.add(self.defaults, place, str(error))
                continue
            for name in names:
                if name not in self.entries.guests:
                    sentence = f"{shown(name)} is no guest of hosts.yaml, wanted one."
                    self.mistakes.add(self.defaults, place, sentence)
                elif name in seen:
                    sentence = f"'{name}' is in {shown(seen[name])}, too, wanted it once."
                    self.mistakes.add(self.defaults, place, sentence)
                seen[name] = text

    def _pin(self) -> None:
        names = [server.name for server in self.entries.servers if server.role == "hypervisor"]
        homes = [home or "".join(names[:1]) for home in self.entries.guests.values()]
        if short := too_few_processors(self.settings, homes):
            self.mistakes.add(self.defaults, (*DATA, "pin", "vcpus"), short)

    def _hosts(self, place: Place, sentence: str) -> None:
        self.mistakes.add(self.hosts, place, sentence)


def _reached(server: Server) -> tuple[str, int]:
    """Return name and port of a server's sshd; DNS takes no notice of case and a dot at the end."""
    return server.hostname.lower().rstrip("."), server.port or 22


def _addresses(server: Server) -> list[tuple[Place, Address]]:
    """Return the addresses that the site gives a server, each with its place in hosts.yaml."""
    underlay: tuple[Place, Address] = ((server.name, "data", "underlay"), server.underlay)
    try:
        return [((server.name, "hostname"), ip_address(server.hostname)), underlay]
    except ValueError:
        return [underlay]
