"""Guests log in to each other by key alone."""
