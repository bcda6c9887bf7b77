"""Servers are as a build leaves them."""
