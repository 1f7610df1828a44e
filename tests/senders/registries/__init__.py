"""Registries' webhooks."""
