"""Bitbucket Cloud, by its REST API."""
