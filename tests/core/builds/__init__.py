"""Whose builds are the same, and what they checked out."""
