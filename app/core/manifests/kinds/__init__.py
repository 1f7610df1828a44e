"""The kinds of field: where each stands in a file, and how it is set."""
