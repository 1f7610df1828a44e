"""Which of the checkouts of a build is that of one repository: Jenkins tells them all, and not which is which."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from app.core.facts import Checkout

_NOT_ALIKE = 0


def checkout_of(checkouts: Iterable[Checkout], url: str) -> Checkout | None:
    """The checkout of the repository at `url`: by host and path, else by the path, else by the name; None: none is.

    One repository has several addresses: HTTPS, SSH, an internal host, a mirror. Of those that are alike the first
    counts, which is the order of checking out.

    >>> its = [Checkout("https://git.acme.example/libs/steps", "1" * 40, "main")]
    >>> its.append(Checkout("git@git.acme.example:acme/fleet.git", "2" * 40, "main"))
    >>> checkout_of(its, "https://git.acme.example/acme/fleet").commit[0]
    '2'
    """
    found = max(checkouts, key=lambda one: _likeness(one.url, url), default=None)
    return found if found is not None and _likeness(found.url, url) != _NOT_ALIKE else None


def _likeness(one: str, other: str) -> int:
    (host, path), (other_host, other_path) = _parts(one), _parts(other)
    if not path or path[-1:] != other_path[-1:]:
        return _NOT_ALIKE
    if path != other_path:
        return 1
    return 3 if host == other_host else 2


def _parts(url: str) -> tuple[str, tuple[str, ...]]:
    """Host and steps of the path; `git@host:path` is git's own short form of SSH."""
    if "://" in url:
        try:
            parts = urlsplit(url)
        except ValueError:
            return "", ()
        host, path = parts.hostname or "", parts.path
    else:
        before, colon, after = url.partition(":")
        host, path = (before.rpartition("@")[2].lower(), after) if colon else ("", url)
    return host, tuple(path.strip("/").removesuffix(".git").split("/"))
