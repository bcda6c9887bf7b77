"""Ordered stages of tasks, and the commands that run them."""
