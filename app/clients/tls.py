"""Whom we believe over TLS. Reading a bundle of certificates takes longer than most requests: each is read once."""

import ssl
from functools import cache
from pathlib import Path

import httpx

from app.core.errors import Refused


class CertificatesUnusable(Refused):
    """A file that should hold certificates to trust cannot be used."""

    def __init__(self, path: Path | str, why: str) -> None:
        super().__init__(f"{path} should hold certificates to trust, but {why}: name a PEM file by ca_file")


@cache
def trusting(ca_file: Path | str | None = None) -> ssl.SSLContext:
    """The authorities of a file, or those that httpx comes with. Raises CertificatesUnusable."""
    if ca_file is None:
        return httpx.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise CertificatesUnusable(ca_file, "it holds none as PEM") from error
    except OSError as error:
        raise CertificatesUnusable(ca_file, f"it cannot be read ({error.strerror})") from error
