"""Nornir connection plugins: the only files that know a transport."""
