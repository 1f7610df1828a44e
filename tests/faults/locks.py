"""A database whose deliveries nobody can write while a test holds them: what comes in meanwhile is one group."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
from sqlalchemy import make_url


@contextmanager
def deliveries_locked(url: str) -> Iterator[None]:
    """Hold the deliveries of a database, for less than the five seconds that SQLite's writers wait."""
    place = make_url(url)
    if place.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(place.database), isolation_level=None)) as file:
            file.execute("BEGIN IMMEDIATE")
            yield
            file.execute("ROLLBACK")
        return
    with psycopg.connect(place.set(drivername="postgresql").render_as_string()) as server:
        server.execute("LOCK TABLE deliveries IN EXCLUSIVE MODE")
        yield
        server.rollback()
