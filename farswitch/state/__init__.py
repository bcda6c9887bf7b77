"""What servers keep for us: the record and the journal of saved settings."""
