"""Opportunities from a file, with the history that must have been: ``plan`` reads the mapping, ``run`` imports."""
