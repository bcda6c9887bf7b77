"""Both ends of every tunnel agree."""
