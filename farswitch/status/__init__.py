"""What stands: each guest and its way through the switch, from one look at every server."""
