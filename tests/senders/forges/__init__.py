"""Forges' webhooks."""
