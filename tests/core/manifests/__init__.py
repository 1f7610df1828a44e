"""Fields found and set."""
