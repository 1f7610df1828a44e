"""The routes of the whole application, as a table."""

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts


def routes_of(app: FastAPI) -> list[tuple[str, str]]:
    """Every (method, path) that the application answers."""
    return sorted((method, one.path or "") for one in iter_route_contexts(app.routes) for method in one.methods or ())
