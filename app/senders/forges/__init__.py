"""Forges that tell of branches and pull requests, one a file."""
