"""Every guest logs in on every guest, by key alone."""
