"""Template tags that ask the database."""
