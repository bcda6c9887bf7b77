"""Sites and what they say: models, validation, and Nornir's inventory plugin."""
