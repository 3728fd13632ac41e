"""Kansen: sales opportunities from first contact to won or lost."""
