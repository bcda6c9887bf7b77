"""The machinery of farswitch, by subject; `tasks/` and `workflows/` are its doors."""
