"""GitHub and GitHub Enterprise, by the REST API."""
