"""Trials with real parts: what outsiders found wrong, each a test that says what a user expects."""
