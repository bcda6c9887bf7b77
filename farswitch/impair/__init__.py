"""Impairments on servers: what a port's end does to frames, as it is and as it should be."""
