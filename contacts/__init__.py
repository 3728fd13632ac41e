"""Companies and the people in them."""
