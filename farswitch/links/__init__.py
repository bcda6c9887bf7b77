"""Bridges, tunnels and ports: what is wanted, the plan, and its application."""
