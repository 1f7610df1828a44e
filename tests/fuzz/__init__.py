"""The editor against bytes that nobody thought of."""
