"""Applications whose sources a user brings: recipes that compile them on the head."""
