"""Fluxbridge over HTTP: webhooks, health, metrics and the API, over services and the database."""
