"""Gitea and Forgejo, by the REST API that both have."""
