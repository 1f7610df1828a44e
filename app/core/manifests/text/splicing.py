"""Puts new bytes in place of some stretches of a file and leaves all others as they are."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.core.manifests.text.setting import CannotSet


@dataclass(frozen=True, slots=True, order=True)
class Splice:
    """New bytes for those from `start` to before `end`; the two are equal where something is put in."""

    start: int
    end: int
    written: bytes


def splice(content: bytes, splices: Iterable[Splice]) -> bytes:
    """Make all splices or none. Raises CannotSet where two that differ meet in one place.

    >>> splice(b"tag=1 # old", [Splice(4, 5, b"2.0")])
    b'tag=2.0 # old'
    """
    pieces: list[bytes] = []
    done, before = 0, -1
    for one in sorted(set(splices)):
        if one.start < done or one.start == before:
            raise CannotSet(content.count(b"\n", 0, one.start) + 1, "two fields that were declared overlap there")
        pieces += (content[done : one.start], one.written)
        done, before = one.end, one.start
    return b"".join((*pieces, content[done:]))
