"""Guests are who they should be, and have what was set up."""
