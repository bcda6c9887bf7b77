"""Where frames of one guest to another get lost: marked ones, counted at every hop."""
