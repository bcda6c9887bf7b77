"""A run as a page that one can show, and two runs side by side."""
