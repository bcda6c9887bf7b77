"""What a guest's files say, for the seed and for the tasks alike."""
