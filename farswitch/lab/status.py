"""What a lab is at the moment."""

from __future__ import annotations

from dataclasses import dataclass

from farswitch.lab import container, ready, veth
from farswitch.lab.addresses import Lab, Member


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """What one member is at the moment; `libvirt` is None where none should run."""

    name: str
    address: str
    underlay: str
    pid: int | None
    ssh: bool
    libvirt: bool | None

    @property
    def up(self) -> bool:
        return self.ssh and self.libvirt is not False


@dataclass(frozen=True, slots=True)
class LabStatus:
    """What the lab is at the moment."""

    name: str
    controller: str
    connected: bool
    members: tuple[MemberStatus, ...]

    @property
    def up(self) -> bool:
        return self.connected and all(member.up for member in self.members)


def observe(lab: Lab) -> LabStatus:
    """Look at a lab; every member that runs is asked, which takes a login each."""
    found = container.find(lab)
    return LabStatus(
        name=lab.name,
        controller=str(lab.controller),
        connected=veth.connected(lab),
        members=tuple(_look_at(lab, member, found.get(member.name)) for member in lab.members),
    )


def _look_at(lab: Lab, member: Member, pid: int | None) -> MemberStatus:
    return MemberStatus(
        name=member.name,
        address=str(lab.address(member)),
        underlay=str(lab.underlay_address(member)),
        pid=pid,
        ssh=pid is not None and ready.logs_in(lab, member),
        libvirt=(pid is not None and ready.runs_libvirt(pid)) if member.hypervisor else None,
    )
