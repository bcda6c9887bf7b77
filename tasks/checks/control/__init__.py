"""The negative control: with a port down, the job must fail."""
