"""One module a task; each observes, plans and applies, in both directions and in dry run."""
