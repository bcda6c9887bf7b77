"""The kinds of switches that can be in the path: an adapter a file; see docs/switches.md."""
