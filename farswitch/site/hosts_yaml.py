"""The entries of hosts.yaml, with what groups.yaml says for their role: servers and guests."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from farswitch.errors import ConfigError
from farswitch.home import expand_home
from farswitch.model.machines import Address, Role, Server
from farswitch.model.node_names import check_name, expand
from farswitch.site.field_types import parse_underlay
from farswitch.site.mistakes import Mistakes, found, key
from farswitch.site.schema import GroupsFile, GuestFields, ServerFields, ServerGroup
from farswitch.site.yaml_lines import Document

GUEST = "guest"
ROLES = ("hypervisor", "switch", GUEST)


@dataclass(slots=True)
class Entries:
    """Reads hosts.yaml, and holds the servers and guests that it names in its order.

    Attributes:
        document: hosts.yaml.
        common: groups.yaml.
        folder: The site's folder, where relative paths start.
        mistakes: Gets a sentence for each thing that is wrong.
        servers: The servers that are right.
        guests: The guests' names, each with its hypervisor's or None.
        keys: For each name the key of hosts.yaml that it comes from.
    """

    document: Document
    common: GroupsFile
    folder: Path
    mistakes: Mistakes
    servers: list[Server] = field(default_factory=list)
    guests: dict[str, str | None] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def read(self) -> None:
        """Read all entries; what is wrong is added to the mistakes."""
        for text, data in self.document.data.items():
            role = self._role(text, data)
            if role == GUEST:
                self._add_guests(text, data)
            elif role is not None:
                self._add_server(text, cast("Role", role), data)

    def _role(self, text: str, data: object) -> str | None:
        if not isinstance(data, dict):
            self._add(text, f"{key((text,))} is {found(data)}, wanted a mapping.")
            return None
        groups = data.get("groups")
        if isinstance(groups, list) and len(groups) == 1 and groups[0] in ROLES:
            return str(groups[0])
        says = f"is {found(groups)}" if "groups" in data else "is missing"
        wanted = "one role: [hypervisor], [switch] or [guest]"
        self._add(text, f"{key((text, 'groups'))} {says}, wanted {wanted}.", "groups")
        return None

    def _add_guests(self, text: str, data: object) -> None:
        guest = self.mistakes.validate(GuestFields, self.document, data, (text,))
        try:
            names = expand(text)
        except ConfigError as error:
            self._add(text, str(error))
            return
        named = guest.data.hypervisor if guest else None
        home = named or self.common.guest.data.hypervisor
        self.guests |= {name: home for name in names if self._claim(name, text)}

    def _add_server(self, name: str, role: Role, data: object) -> None:
        keys = self.mistakes.validate(ServerFields, self.document, data, (name,))
        try:
            check_name(name)
        except ConfigError as error:
            self._add(name, str(error))
            return
        if not self._claim(name, name) or keys is None:
            return
        group = self.common.hypervisor if role == "hypervisor" else self.common.switch
        underlay = keys.data.underlay or _address(keys.hostname)
        if underlay is None:
            place = f"{key((name, 'underlay'))} is missing, wanted the address where tunnels end"
            self._add(name, f"{place}, as 'hostname' is no address that can be it.")
            return
        self.servers.append(self._server(name, role, keys, group, underlay))

    def _server(
        self, name: str, role: Role, keys: ServerFields, group: ServerGroup, underlay: Address
    ) -> Server:
        return Server(
            name=name,
            role=role,
            hostname=keys.hostname,
            underlay=underlay,
            user=_first("username", keys, group),
            port=_first("port", keys, group),
            key_file=self._path(_first("key_file", keys.data, group.data)),
            known_hosts=self._path(_first("known_hosts", keys.data, group.data)),
            local=_first("local", keys.data, group.data),
        )

    def _path(self, text: str | None) -> Path | None:
        return None if text is None else self.folder / expand_home(text)

    def _claim(self, name: str, text: str) -> bool:
        """Return whether the name is new; two machines of one name are a mistake."""
        if name in self.keys:
            before = self.document.at((self.keys[name],)).rpartition(" ")[2]
            self._add(
                text, f"'{name}' is named twice (in line {before} too), wanted each name once."
            )
            return False
        self.keys[name] = text
        return True

    def _add(self, text: str, sentence: str, *inner: str) -> None:
        self.mistakes.add(self.document, (text, *inner), sentence)


def _address(hostname: str) -> Address | None:
    try:
        return parse_underlay(hostname)
    except ValueError:
        return None


def _first(name: str, host: BaseModel, group: BaseModel) -> Any:
    """Return what the host says, or else what its group says, or else the default."""
    return getattr(host if name in host.model_fields_set else group, name)
