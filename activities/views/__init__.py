"""Pages of what is not bound to an opportunity: the set-up of activities, and a calendar of ones own."""
