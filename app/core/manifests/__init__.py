"""Finds and sets fields in the text of manifests, leaving every other byte alone."""
