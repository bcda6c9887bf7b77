"""The one-machine stand-in of the two servers."""
