"""Sites: YAML files to validated models, and Nornir's inventory of them."""
