"""Pages of companies and persons, and what is done with them."""
