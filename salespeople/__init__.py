"""Sign-ins, salespeople and their teams."""
