"""The stretch of a text that is a field by itself: what the one group of a declared pattern matches."""

from app.core.errors import Invalid
from app.core.policies.patterns import Pattern
from app.core.policies.spec import InvalidPolicy


class NoExcerpt(Invalid):
    """A pattern picks no stretch out of a text."""


def find_excerpt(pattern: str, content: bytes) -> tuple[int, int]:
    """Where in a UTF-8 text a pattern's group stands, in bytes: of the leftmost match. Raises NoExcerpt.

    >>> find_excerpt("APP_VERSION=([^ ]+)", b"run APP_VERSION=1.2 now")
    (16, 19)
    """
    try:
        compiled = Pattern.compile(pattern)
    except InvalidPolicy as error:
        raise NoExcerpt(str(error)) from error
    if compiled.groups != 1:
        raise NoExcerpt(f"the pattern {pattern!r} has {compiled.groups} groups: put round brackets round one place")
    match = compiled.search(content.decode())
    if match is None:
        raise NoExcerpt(f"the pattern {pattern!r} is not found in the value")
    start, end = match.span(1)
    if start >= end:
        raise NoExcerpt(f"the group of the pattern {pattern!r} matches nothing in the value")
    return start, end
