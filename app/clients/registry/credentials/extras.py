"""The libraries of clouds, which are installed and loaded only where the settings ask for them."""

import importlib
from pathlib import Path
from typing import Any

import requests

from app.clients.bounded_http import bound
from app.clients.registry.errors import ExtraMissing

TIMEOUT_S = 10.0
LONGEST_WORDS = 300


def load(module: str, *, extra: str) -> Any:
    """Import a module of the extra `extra` of our package. Raises ExtraMissing."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ExtraMissing(extra, module.partition(".")[0]) from error


def bounded_session(*, ca_file: Path | None, proxy: str | None) -> requests.Session:
    """A session whose calls end in time; nothing of the environment (proxies, .netrc) is read.

    A proxy is for https only: what tells a machine who it is speaks plain HTTP, and is on that machine.
    """
    session = requests.Session()
    session.trust_env = False
    if ca_file is not None:
        session.verify = str(ca_file)
    if proxy is not None:
        session.proxies = {"https": proxy}
    bound(session, timeout_s=TIMEOUT_S)
    return session
