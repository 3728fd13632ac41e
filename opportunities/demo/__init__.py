"""A company with eighteen months of business, to try Kansen with: ``manage.py demo``."""
