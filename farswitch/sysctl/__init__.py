"""Kernel settings of a server, now and after a reboot."""
