"""What verify judges: one subject a file, each a measurement and a pure judgement of it."""
