"""Frames of guests at all interfaces of their way, as one file for Wireshark."""
