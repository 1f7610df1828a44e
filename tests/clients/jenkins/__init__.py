"""Jenkins' REST API."""
