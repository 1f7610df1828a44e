"""A config repository at one commit."""
