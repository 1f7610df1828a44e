"""Lane runs."""
