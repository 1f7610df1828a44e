"""Jenkins' reports."""
