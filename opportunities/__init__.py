"""Opportunities, their ledger and the operations that change them."""
