"""Containers and clusters: what the files say, and what they run."""
