"""A run: session, stages, recorder, report, and the command line."""
