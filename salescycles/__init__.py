"""Sales cycles and their ordered stages."""
