"""Registries that tell of pushes, one a file."""
