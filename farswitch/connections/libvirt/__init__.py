"""The libvirt connection of a hypervisor."""
