"""What the checks of verify share: checks, probes, fan-out, packets."""
