"""Every border at which a run is killed: the steps of each workflow, in their order."""

BUILD = (
    "preflight",
    "image_source",
    "tunnel_port",
    "record",
    "domains",
    "sysctl",
    "guard",
    "firewall_reset",
    "bridge",
    "vxlan",
    "ports",
    "fdb",
    "mtu_servers",
    "image",
    "vm_boot",
)
"""Of a build, up to the guests' boot."""
GUESTS = (
    "mtu",
    "firewall_guests",
    "guest_files",
    "hosts_file",
    "ssh_keys",
    "nfs",
    "mpi",
    "mpi_run",
)
"""Of a build, in guests that have booted."""
TEARDOWN = (
    "domains",
    "remove_images",
    "links",
    "firewall_reset",
    "guard",
    "sysctl",
    "record",
)
