"""Every other way between guests is tried."""
