"""The shell connection of a server or guest."""
