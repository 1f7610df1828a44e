"""Trials: what outsiders saw go wrong, and what is right."""
