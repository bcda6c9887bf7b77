"""Every border at which a run is killed: the steps of each workflow, in their order."""

BUILD = (
    "preflight",
    "image_source",
    "underlay_udp",
    "record",
    "vm_remove",
    "sysctl",
    "guard",
    "firewall_reset",
    "bridge",
    "veth",
    "vxlan",
    "bridge_ports",
    "fdb",
    "mtu_servers",
    "switch",
    "image",
    "vm_boot",
)
"""Of a build, up to the guests' boot."""
GUESTS = (
    "observe_guest",
    "mtu",
    "firewall_guests",
    "hosts_file",
    "ssh_keys",
    "nfs",
    "mpi",
    "interfaces",
    "mpi_smoke",
)
"""Of a build, in guests that have booted."""
TEARDOWN = (
    "find_leftovers",
    "vm_remove",
    "image_remove",
    "links",
    "firewall_reset",
    "guard",
    "sysctl",
    "record",
)
