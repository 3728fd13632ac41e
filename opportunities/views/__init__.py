"""Pages of opportunities: reading them, changing them, and their close reasons."""
