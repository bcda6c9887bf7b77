"""Every pair of guests reaches each other."""
