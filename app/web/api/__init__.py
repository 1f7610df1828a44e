"""The API under /api/v1: plain functions over the read side, one collection a file."""
