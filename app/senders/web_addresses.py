"""What may be kept of the URLs in payloads: they are shown, never contacted."""

import re
from urllib.parse import SplitResult, urlsplit

_WEB = re.compile(r"https?://[^\s/?#\\]+[^\s\\]*", re.IGNORECASE)
_USERINFO = re.compile(r"^([a-z][a-z0-9+.-]*://)[^/?#]*@", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_web_address(url: str) -> bool:
    """Tell whether this is an http or https URL with a host: nothing else may become a link."""
    return _WEB.fullmatch(url) is not None


def without_credentials(url: str) -> str:
    """Cut user and password out of a URL.

    >>> without_credentials("https://ci:t0ken@git.lumen.example/app.git")
    'https://git.lumen.example/app.git'
    """
    return _USERINFO.sub(r"\1", url)


def lies_under(url: str, root: str) -> bool:
    """Tell whether a URL has the scheme, host and port of another one and a path below its path."""
    if not is_web_address(url):
        return False
    try:
        inner, outer = urlsplit(url), urlsplit(root)
        same_server = _server(inner) == _server(outer)
    except ValueError:
        return False
    folder = outer.path.rstrip("/") + "/"
    return same_server and inner.path.startswith(folder) and ".." not in inner.path.split("/")


def _server(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or _DEFAULT_PORTS.get(url.scheme)
