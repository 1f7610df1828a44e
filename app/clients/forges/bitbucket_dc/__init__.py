"""Bitbucket Data Center, by its REST API."""
