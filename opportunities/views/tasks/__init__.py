"""The pages of tasks: list, calendar, one task, changing it, and the panels on other pages."""
