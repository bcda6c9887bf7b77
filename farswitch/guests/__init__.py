"""Guests: their domains, boots, files and MPI jobs."""
