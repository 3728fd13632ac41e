"""E-mail that comes in: read from where it lies, matched with a contact and an opportunity, and filed."""
