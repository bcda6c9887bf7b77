"""How the guest image is made."""
