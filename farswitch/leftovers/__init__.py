"""What bears our mark on a server, whatever a site says."""
