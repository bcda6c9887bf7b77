"""The switch alone, measured by frames of our own on ports of its own: see docs/switch-bench.md."""
