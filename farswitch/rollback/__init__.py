"""A change that undoes itself unless it is confirmed."""
