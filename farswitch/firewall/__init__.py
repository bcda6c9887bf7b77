"""The servers' firewalls: the guard, the three modes, and what lets a packet through."""
