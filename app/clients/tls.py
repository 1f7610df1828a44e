"""Whom we believe over TLS. Reading a bundle of certificates takes longer than most requests: each is read once."""

import ssl
from functools import cache
from pathlib import Path

import httpx


@cache
def trusting(ca_file: Path | str | None = None) -> ssl.SSLContext:
    """The authorities of a file, or those that httpx comes with. Raises OSError and ssl.SSLError for a bad file."""
    return ssl.create_default_context(cafile=ca_file) if ca_file else httpx.create_ssl_context(trust_env=False)
