"""Programs that run inside the guests; they are sent there as they are."""
