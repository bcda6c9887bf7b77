"""The netlink connection of a server."""
