"""The share is one, and for the cluster alone."""
